"""Python that is written by a program."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from proxmo.envs.alfworld.engine.tables import insert_fact, remove_fact
from proxmo.errors import InputError


class Writer:
    """Lines of Python with indentation."""

    def __init__(self, indent: int = 0):
        self.lines: list[str] = []
        self.indent = indent

    def line(self, text: str) -> None:
        """Write a line."""
        self.lines.append("    " * self.indent + text)

    def block(self, text: str) -> None:
        """Write a line that begins a block, and go on within it."""
        self.line(text)
        self.indent += 1


class Program:
    """Functions that take a state's slots `S`, with names that no two of them share."""

    def __init__(self) -> None:
        self.functions: list[str] = []
        self.memos = 0
        """How many memo dicts a game needs."""
        self._counter = 0

    def fresh(self, prefix: str = "x") -> str:
        """A name that nothing else has."""
        self._counter += 1
        return f"{prefix}{self._counter}"

    def define(self, prefix: str, arguments: Iterable[str], body: Writer) -> str:
        """Add a function; its name."""
        name = self.fresh(prefix + "_")
        header = f"def {name}({', '.join(['S', *arguments])}):"
        self.functions.append("\n".join([header, *body.lines]))
        return name

    def execute(
        self, functions: list[str], namespace: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """Define `functions` in `namespace`, by default a new one; the namespace.

        Raises `InputError` where they nest deeper than Python allows.
        """
        if namespace is None:
            namespace = {"insert": insert_fact, "remove": remove_fact}
        try:
            code = compile("\n\n".join(functions), "<alfworld rules>", "exec")
        except (SyntaxError, MemoryError, RecursionError) as error:
            raise InputError(
                f"the conditions or sentences are nested too deeply to be played ({error})"
            ) from error
        exec(code, namespace)
        return namespace
