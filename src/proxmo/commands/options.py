"""Command-line options to a typed dataclass, with errors that fit on one line."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import sys
import typing
from collections.abc import Sequence
from typing import TypeVar

import tyro
from pydantic import ValidationError

from proxmo.errors import InputError

T = TypeVar("T")


def parse_options(
    kind: type[T], arguments: Sequence[str], *, prog: str, default: T | None = None
) -> T:
    """Fill `kind`, a dataclass, from `arguments`; what they leave out comes from `default`.

    A value out of range raises InputError. Anything else that cannot be parsed is explained
    by tyro on stderr, and `--help` on stdout; both leave with SystemExit.
    """
    complaint = io.StringIO()
    start = tyro.MISSING_NONPROP if default is None else default
    try:
        with contextlib.redirect_stderr(complaint):
            return tyro.cli(kind, args=list(arguments), prog=prog, default=start)
    except SystemExit as end:
        # tyro frames pydantic's whole report; only the sentence in it helps.
        if (error := _cause(end)) is not None:
            raise InputError(_sentence(error, kind)) from None
        sys.stderr.write(complaint.getvalue())
        raise


def _cause(error: BaseException | None) -> ValidationError | None:
    while error is not None and not isinstance(error, ValidationError):
        error = error.__cause__ or error.__context__
    return error


def _sentence(error: ValidationError, kind: type) -> str:
    prefix = _prefix(kind, error.title) or ""
    return "; ".join(
        f"--{prefix}{'.'.join(map(str, problem['loc'])).replace('_', '-')} {problem['input']}: "
        f"{problem['msg'][0].lower()}{problem['msg'][1:]}"
        for problem in error.errors()
    )


def _prefix(kind: typing.Any, title: str) -> str | None:
    """The flags' prefix of the section whose class is called `title`: `rollout.`."""
    if kind.__name__ == title:
        return ""
    hints = typing.get_type_hints(kind)
    for entry in dataclasses.fields(kind):
        if not dataclasses.is_dataclass(hints[entry.name]):
            continue
        inner = _prefix(hints[entry.name], title)
        if inner is not None:
            # The settings of a run are spread over the command's own options, without a name.
            return inner if entry.name == "settings" else f"{entry.name}.{inner}"
    return None
