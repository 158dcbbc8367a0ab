"""Methods as they are named on a command line: `proxmo`, or with options `proxmo:lam=0,gamma=1`."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import Any

from proxmo.credit import Estimator, check_option, defaults, make
from proxmo.errors import InputError


def methods_named(names: Sequence[str], penalty: float | None = None) -> dict[str, Estimator]:
    """Name -> estimator, in the order given.

    `penalty` replaces the charge for an invalid action in all methods that have one.

    Raises:
        InputError: for a method or an option that does not exist, a value that the method
            refuses, or a name given twice.
    """
    estimators: dict[str, Estimator] = {}
    for name in names:
        if name in estimators:
            raise InputError(f"method {name!r} is named twice; name each once")
        estimators[name] = _method_named(name, penalty)
    return estimators


def _method_named(name: str, penalty: float | None) -> Estimator:
    method, _, told = name.partition(":")
    known = defaults(method)
    options: dict[str, Any] = {}
    if penalty is not None and "invalid_action_penalty" in known:
        options["invalid_action_penalty"] = penalty
    for word in filter(None, told.split(",")):
        option, separator, value = word.partition("=")
        if not separator:
            raise InputError(f"method {name!r}: {word!r} is not OPTION=VALUE, such as lam=0")
        check_option(method, option.strip())
        options[option.strip()] = _value(value.strip())
    try:
        return make(method, **options)
    except TypeError as error:  # a text where a number belongs
        raise InputError(f"method {name!r}: {error}") from None


def _value(text: str) -> Any:
    """A number, true, false or none, else the text itself."""
    words = {"true": True, "false": False, "none": None}
    if text.lower() in words:
        return words[text.lower()]
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text
