"""Episodes whose environment broke: they tell nothing of the policy, and credit gets none of them.

A framework that cannot drop their rows keeps them with advantages of 0, and the adapter masks their
tokens.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from proxmo.credit import Credit, Estimator, Steps
from proxmo.errors import ProxmoError
from proxmo.text import shown

_LOG = logging.getLogger(__name__)

ERRORS = "rollout/errors"
"""Metric: how many episodes of the batch ended in an error of their environment."""


def credit_survivors(
    estimator: Estimator,
    columns: Mapping[str, Sequence[Any]],
    errors: Sequence[str | None],
    *,
    tell: bool = True,
) -> Credit:
    """The credit of a batch, (N,) rows, in which those of episodes that failed get 0.

    `columns` are those of `Steps`; `errors` (N,) has what the environment of a row's episode
    raised, or None. A group of which one episode is left has nothing to compare it with, and
    gets 0 too. How many failed is a diagnostic, and with `tell` a warning in the log.

    Raises:
        ProxmoError: when every episode of the batch failed, with the first error.
    """
    failed = {
        name: error
        for name, error in zip(columns["trajectory"], errors, strict=True)
        if error is not None
    }
    _check_failures(failed, len(set(columns["trajectory"])), tell)
    kept = _compared(columns["group"], columns["trajectory"], failed)
    rows = len(errors)
    count = {ERRORS: float(len(failed))}
    if not kept:
        return Credit(np.zeros(rows), np.zeros(rows), np.zeros(rows), count)
    result = estimator(
        Steps(**{name: [column[row] for row in kept] for name, column in columns.items()})
    )
    return Credit(
        _spread(result.advantage, kept, rows),
        _spread(result.episode, kept, rows),
        _spread(result.step, kept, rows),
        result.diagnostics | count,
    )


def _check_failures(failed: Mapping[Any, str], episodes: int, tell: bool) -> None:
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


def _compared(
    groups: Sequence[Any], trajectories: Sequence[Any], failed: Mapping[Any, str]
) -> list[int]:
    """The rows that are compared: of episodes that did not fail, in groups that keep two.

    A group that had one episode from the beginning is credit's to judge.
    """
    members = dict(zip(trajectories, groups, strict=True))
    hurt = {members[name] for name in failed}
    left = Counter(group for name, group in members.items() if name not in failed)
    return [
        row
        for row, (name, group) in enumerate(zip(trajectories, groups, strict=True))
        if name not in failed and not (group in hurt and left[group] == 1)
    ]


def _spread(values: NDArray[np.float64], kept: list[int], rows: int) -> NDArray[np.float64]:
    whole = np.zeros(rows)
    whole[kept] = values
    return whole
