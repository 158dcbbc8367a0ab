"""The command line: finds the command, runs it, turns errors into messages and exit codes.

Only names are known here; a command's module, and with it torch, is imported when it runs,
so that `proxmo --help` answers at once and without the extras installed.
"""

from __future__ import annotations

import errno
import logging
import os
import re
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from difflib import get_close_matches
from importlib import import_module, metadata
from typing import Any, NamedTuple

import proxmo
from proxmo.errors import (
    BAD_INPUT,
    FAILED,
    InputError,
    ProxmoError,
    ProxmoWarning,
    Terminated,
)
from proxmo.text import shown


class Command(NamedTuple):
    """Where a command lives, as `module:function`, and what it does in one line."""

    target: str
    summary: str


COMMANDS = {
    "train": Command(
        "proxmo.commands.train:main",
        "train an agent; with no options: the small built-in policy on generated games",
    ),
    "sft": Command(
        "proxmo.commands.sft:main",
        "make the built-in policy from expert demonstrations (its cold start)",
    ),
    "evaluate": Command(
        "proxmo.commands.evaluate:main",
        "measure a model's success, per task type, with 95 % intervals",
    ),
    "compare": Command(
        "proxmo.commands.compare:main",
        "compare methods over seeds and environments on equal budgets",
    ),
    "report": Command(
        "proxmo.commands.report:main",
        "write the report of a comparison again",
    ),
    "audit": Command(
        "proxmo.commands.audit:main",
        "credit against the truth: what each turn was really worth, and which method says so",
    ),
    "generate": Command(
        "proxmo.commands.generate:main",
        "write an environment's generated tasks as data, in its official format",
    ),
    "play": Command(
        "proxmo.commands.play:main",
        "solve a task by hand: what an agent reads, does and is paid",
    ),
    "doctor": Command(
        "proxmo.commands.doctor:main",
        "say whether an adapter (trl, verl, skyrl, verifiers, openenv) is ready, and why not",
    ),
    "serve": Command(
        "proxmo.commands.serve:main",
        "serve an environment to frameworks that speak OpenEnv",
    ),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0, 1 (failed while running) or 2 (bad input)."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    debug = "--debug" in arguments
    arguments = [argument for argument in arguments if argument != "--debug"]
    try:
        return _dispatch(arguments)
    except SystemExit as end:  # `--help` of a command, or an error it has explained itself
        return end.code if isinstance(end.code, int) else FAILED
    except BrokenPipeError:  # the reader, such as `| head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except (KeyboardInterrupt, Exception) as error:
        if debug or not _may_be_the_users(error):
            raise
        code, message = _explain(error)
        if message is None:
            raise
        # Told to end, all processes that train together are; one of them says so.
        if _is_first() or not isinstance(error, KeyboardInterrupt | Terminated):
            _complain(message)
        return code


def _dispatch(arguments: list[str]) -> int:
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(_help())
        return 0
    name, *rest = arguments
    if name in ("-V", "--version"):
        print(f"proxmo {proxmo.__version__}")
        return 0
    if name not in COMMANDS:
        close = get_close_matches(name, COMMANDS, n=1)
        way_out = f"did you mean {close[0]!r}?" if close else f"choose from {', '.join(COMMANDS)}"
        raise InputError(f"{name!r} is not a command; {way_out}")
    module, function = COMMANDS[name].target.split(":")
    run: Callable[[Sequence[str]], None] = getattr(import_module(module), function)
    with _told_on_stderr(), _warned_of_once():
        run(rest)
    return 0


class _Stderr(logging.StreamHandler[Any]):
    """Writes to what `sys.stderr` is at that moment.

    While progress bars are shown, that is rich's: lines go above the bars, not through them.
    """

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line."""
        self.stream = sys.stderr
        super().emit(record)


@contextmanager
def _told_on_stderr() -> Iterator[None]:
    """Show what proxmo logs: what takes minutes, such as building a catalog, says so."""
    logger, handler = logging.getLogger("proxmo"), _Stderr()
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)


@contextmanager
def _warned_of_once() -> Iterator[None]:
    """Show proxmo's warnings as lines: each once, whatever its numbers, by the first process."""
    told: set[tuple[str, int]] = set()
    before = warnings.showwarning

    def show(
        message: Warning | str, category: type[Warning], filename: str, lineno: int, *rest: Any
    ) -> None:
        if not issubclass(category, ProxmoWarning):
            before(message, category, filename, lineno, *rest)
        elif (filename, lineno) not in told and _is_first():
            told.add((filename, lineno))
            print(f"warning: {shown(str(message))}", file=sys.stderr)

    warnings.showwarning = show
    try:
        yield
    finally:
        warnings.showwarning = before


def _help() -> str:
    width = max(map(len, COMMANDS))
    commands = "\n".join(f"  {name:<{width}}  {entry.summary}" for name, entry in COMMANDS.items())
    return (
        "usage: proxmo COMMAND [OPTIONS]\n\n"
        "Train multi-turn language model agents with ProxMO.\n\n"
        f"commands:\n{commands}\n\n"
        "options:\n"
        "  --help     this text; after a command, its own options\n"
        "  --version  the version of proxmo\n"
        "  --debug    show the traceback of an error (with any command)"
    )


def _may_be_the_users(error: BaseException) -> bool:
    """Whether an error can come of what a user gave, a damaged file among it; others are bugs."""
    kinds = (
        *(ProxmoError, KeyboardInterrupt, OSError, ModuleNotFoundError),
        *(RecursionError, OverflowError, UnicodeError, SyntaxError),
    )
    return isinstance(error, kinds) or type(error).__name__ == "SafetensorError"


def _explain(error: BaseException) -> tuple[int, str | None]:
    """The exit code and message of an error; no message when it can only be a bug."""
    if isinstance(error, InputError):
        return BAD_INPUT, str(error)
    if isinstance(error, ProxmoError):
        return FAILED, str(error)
    if isinstance(error, Terminated):
        return 128 + error.signal, str(error) or "told to end"
    if isinstance(error, KeyboardInterrupt):
        return FAILED, str(error) or "interrupted"
    if isinstance(error, ModuleNotFoundError):
        extra = _extra_of(error.name or "")
        install = f"install it with: pip install 'proxmo[{extra}]'"
        return BAD_INPUT, extra and f"this command needs the package {error.name!r}; {install}"
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return FAILED, f"the disk is full: {error}; free some space and run the command again"
    return FAILED, f"{type(error).__name__}: {error} (--debug shows where)"


def _extra_of(module: str) -> str | None:
    """The extra of proxmo that brings a module, or None when none does."""
    package = module.partition(".")[0].replace("_", "-")
    if package == "proxmo":  # a module of its own: no extra brings it
        return None
    try:
        requirements = metadata.requires("proxmo") or ()
    except metadata.PackageNotFoundError:  # a source tree that is not installed
        return "train"
    found = [
        match["extra"]
        for requirement in requirements
        if (match := re.match(r"(?P<name>[\w.-]+).*extra == ['\"](?P<extra>[\w-]+)", requirement))
        and match["name"].replace("_", "-").lower() == package.lower()
    ]
    # Nearly every command needs `train`, which brings the environments too.
    return "train" if "train" in found else min(found, default=None)


def _is_first() -> bool:
    """Whether this is the first of the processes that train together, or alone."""
    return os.environ.get("RANK", "0") == "0"


def _complain(message: str) -> None:
    with suppress(OSError):  # the terminal is closed, perhaps
        _print_error(shown(message))


def _print_error(message: str) -> None:
    try:
        from rich.console import Console
        from rich.text import Text
    except ModuleNotFoundError:  # the credit library alone is installed
        print(f"error: {message}", file=sys.stderr)
        return
    Console(stderr=True, soft_wrap=True, highlight=False).print(
        Text.assemble(("error: ", "bold red"), message)
    )
