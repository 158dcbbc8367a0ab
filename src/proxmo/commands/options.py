"""Command-line options to a typed dataclass, with errors that fit on one line."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import sys
import typing
from collections.abc import Callable, Sequence
from typing import Any, TypeVar, Union

import tyro
from pydantic import ValidationError
from pydantic.dataclasses import is_pydantic_dataclass
from tyro.constructors import (
    ConstructorRegistry,
    PrimitiveConstructorSpec,
    PrimitiveTypeInfo,
)

from proxmo.errors import InputError

T = TypeVar("T")


_TYPES = ConstructorRegistry()


@_TYPES.primitive_rule
def _without_functions(info: PrimitiveTypeInfo) -> PrimitiveConstructorSpec[Any] | None:
    """An option that may also be a function, which nobody can type, is one of its other types."""
    kinds = typing.get_args(info.type)
    typed = tuple(kind for kind in kinds if typing.get_origin(kind) is not Callable)
    if typed == kinds or not typed:
        return None
    kind: Any = Union[typed]  # noqa: UP007  # made of a tuple
    spec = ConstructorRegistry.get_primitive_spec(PrimitiveTypeInfo.make(kind, set()))
    return spec if isinstance(spec, PrimitiveConstructorSpec) else None


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
            return tyro.cli(kind, args=list(arguments), prog=prog, default=start, registry=_TYPES)
    except SystemExit as end:
        # tyro frames pydantic's whole report; only the sentence in it helps.
        error = _cause(end)
        if isinstance(error, ValidationError):
            raise InputError(_sentence(error, kind)) from None
        if error is not None:
            raise InputError(_refused(error, default)) from None
        sys.stderr.write(complaint.getvalue())
        raise


def _cause(error: BaseException | None) -> ValidationError | InputError | None:
    while error is not None and not isinstance(error, ValidationError | InputError):
        error = error.__cause__ or error.__context__
    return error


def _sentence(error: ValidationError, kind: type) -> str:
    prefix = _prefix(kind, error.title) or ""
    return "; ".join(
        f"--{prefix}{'.'.join(map(str, problem['loc'])).replace('_', '-')} {problem['input']}: "
        f"{problem['msg'][0].lower()}{problem['msg'][1:]}"
        for problem in error.errors()
    )


def _refused(error: InputError, default: Any) -> str:
    """What a dataclass that checks itself says of its option, with the option's flag.

    Its sentence begins with the name of the field: `gamma is 2; it must be ...`.
    """
    name, _, rest = str(error).partition(" ")
    section = _section_with(default, name)
    return str(error) if section is None else f"--{section}{name.replace('_', '-')} {rest}"


def _section_with(value: Any, name: str) -> str | None:
    """The flags' prefix of the section that checks itself and has a field called `name`."""
    entries = dataclasses.fields(value) if dataclasses.is_dataclass(value) else ()
    if not is_pydantic_dataclass(type(value)) and name in [entry.name for entry in entries]:
        return ""
    for entry in entries:
        inner = _section_with(getattr(value, entry.name), name)
        if inner is not None:
            return inner if entry.name == "settings" else f"{entry.name}.{inner}"
    return None


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
