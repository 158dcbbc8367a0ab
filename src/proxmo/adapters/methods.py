"""The credit method that a user names or makes."""

from __future__ import annotations

from proxmo.credit import CREDIT, DEFAULT_METHOD, Estimator, make
from proxmo.errors import InputError


def estimator_of(credit: str | Estimator | None) -> Estimator:
    """An estimator as it is; a name of `proxmo.CREDIT` with its defaults; None: ProxMO.

    Raises:
        InputError: for a name that does not exist, or what is neither.
    """
    if credit is None:
        return make(DEFAULT_METHOD)
    if isinstance(credit, str):
        return make(credit)
    if not callable(credit):
        raise InputError(f"credit is {credit!r}; give an estimator, or a name: {', '.join(CREDIT)}")
    return credit
