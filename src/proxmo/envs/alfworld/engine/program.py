"""Python that is written by a program."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from proxmo.envs.alfworld.engine.tables import insert_fact, remove_fact
from proxmo.errors import InputError

MOST_COMBINATIONS = 1_000_000
"""Ways to fill the variables of one condition or query; official games try some hundreds."""
LONGEST_TEXT = 1_000_000
"""Characters; the official introductions have some hundreds."""


def too_many(what: str) -> None:
    """Refuse loops that would go on (nearly) without end."""
    raise InputError(
        f"{what} has more than {MOST_COMBINATIONS:,} combinations to try; bind its variables by "
        "facts that they share, or leave the game out"
    )


def too_long(what: str) -> None:
    """Refuse a text that would fill the memory."""
    raise InputError(
        f"{what} is longer than {LONGEST_TEXT:,} characters; shorten its productions, or leave "
        "the game out"
    )


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


class Loops:
    """Loops, one within the other, that are counted from the third on: two cannot explode.

    The count costs one addition and one comparison for each entry of an inner loop's body.
    """

    def __init__(self, out: Writer, what: str) -> None:
        self._out, self._what = out, what
        self._start, self._indent, self._depth = len(out.lines), out.indent, 0

    def entered(self) -> None:
        """Say that a loop was written; its body is written next."""
        self._depth += 1
        if self._depth < 3:
            return
        if self._depth == 3:
            self._out.lines.insert(self._start, "    " * self._indent + "count = 0")
        self._out.line("count += 1")
        self._out.line(f"if count > {MOST_COMBINATIONS}: too_many({self._what!r})")


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
            namespace = {
                "insert": insert_fact,
                "remove": remove_fact,
                "too_many": too_many,
                "too_long": too_long,
            }
        try:
            code = compile("\n\n".join(functions), "<alfworld rules>", "exec")
        except (SyntaxError, MemoryError, RecursionError) as error:
            raise InputError(
                f"the conditions or sentences are nested too deeply to be played ({error})"
            ) from error
        exec(code, namespace)
        return namespace
