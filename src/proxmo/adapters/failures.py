"""Episodes whose environment broke: they tell nothing of the policy, and credit gets none of them.

A framework that cannot drop their rows keeps them with advantages of 0, and the adapter masks their
tokens.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from proxmo.credit import Credit, Estimator, credit_survivors
from proxmo.episodes.metrics import ERRORS
from proxmo.errors import ProxmoError
from proxmo.text import shown

_LOG = logging.getLogger(__name__)


def credit_played(
    estimator: Estimator,
    columns: Mapping[str, Sequence[Any]],
    errors: Sequence[str | None],
    *,
    tell: bool = True,
) -> Credit:
    """`proxmo.credit.credit_survivors` of a batch as a framework holds it, (N,) rows.

    `columns` are those of `Steps`; `errors` (N,) has what the environment of a row's episode
    raised, or None. How many failed is a diagnostic, and with `tell` a warning in the log.

    Raises:
        ProxmoError: when every episode of the batch failed, with the first error.
    """
    failed = {
        name: error
        for name, error in zip(columns["trajectory"], errors, strict=True)
        if error is not None
    }
    report_failures(failed, len(set(columns["trajectory"])), tell=tell)
    credit = credit_survivors(estimator, columns, [error is not None for error in errors])
    return replace(credit, diagnostics=credit.diagnostics | {ERRORS: float(len(failed))})


def report_failures(failed: Mapping[Any, str], episodes: int, *, tell: bool = True) -> None:
    """Say how many of so many `episodes` failed, and what the first one's environment raised.

    `failed` has name and error of each. With `tell` it is a warning in the log.

    Raises:
        ProxmoError: when all of them failed.
    """
    if not failed:
        return
    name, error = next(iter(failed.items()))
    first = shown(f"{name}: {error}"[:1000])
    if len(failed) == episodes:
        raise ProxmoError(
            f"every episode of the batch ended in an error of its environment; the first, {first}"
        )
    if tell:
        _LOG.warning(
            "%d of %d episodes ended in an error of their environment and are left out; the "
            "first, %s",
            *(len(failed), episodes, first),
        )
