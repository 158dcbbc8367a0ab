"""Checks of hyperparameters, shared by the estimators."""

from __future__ import annotations

import math
import numbers
from collections.abc import Collection

from proxmo.errors import InputError


def check_range(
    name: str, value: float, low: float, high: float = math.inf, *, above: bool = False
) -> None:
    """Refuse a hyperparameter that is no number in [low, high]; with `above`, in (low, high]."""
    number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if number and (low < value if above else low <= value) and value <= high:
        return
    bounds = f"> {low:g}" if above else f">= {low:g}"
    if high < math.inf:
        bounds += f" and <= {high:g}"
    raise InputError(f"{name} is {value!r}; it must be a number {bounds}")


def check_finite(name: str, value: float, low: float) -> None:
    """Refuse a hyperparameter that is no finite number of at least `low`."""
    check_range(name, value, low)
    if math.isinf(value):
        raise InputError(f"{name} is {value!r}; it must be finite")


def check_whole(name: str, value: int, low: int) -> None:
    """Refuse a hyperparameter that is no whole number of at least `low`."""
    whole = isinstance(value, numbers.Integral) and not isinstance(value, bool)
    if not whole or value < low:
        raise InputError(f"{name} is {value!r}; it must be a whole number >= {low}")


def check_flag(name: str, value: object) -> None:
    """Refuse what is neither True nor False."""
    if not isinstance(value, bool):
        raise InputError(f"{name} is {value!r}; it must be True or False")


def check_choice(name: str, value: object, choices: Collection[str]) -> None:
    """Refuse a name that is not among `choices`, listing what is."""
    if value not in choices:
        listed = ", ".join(repr(choice) for choice in choices)
        raise InputError(f"{name} is {value!r}; choose one of {listed}")
