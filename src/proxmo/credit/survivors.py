"""Credit of a batch in which some environments broke: what they did tells nothing of the policy."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from proxmo.credit.diagnostics import batch_diagnostics
from proxmo.credit.result import Credit, Estimator
from proxmo.credit.steps import Bools, Floats, Steps


def credit_survivors(
    estimator: Estimator, columns: Mapping[str, Sequence[Any]], failed: Sequence[bool]
) -> Credit:
    """The credit of N rows of which those of episodes that `failed`, (N,), get 0.

    `columns` are the arguments of `Steps`, each (N,). Nothing of a failed episode is compared
    with. An episode whose group lost all others has nothing to be compared with, and gets 0
    too; its group counts among those without a signal. A group that had one episode from the
    beginning is the estimator's to judge. Where nothing is left there are zeros and no figures.
    """
    sound = ~np.asarray(failed, dtype=bool)
    compared = sound & ~_left_alone(columns["group"], columns["trajectory"], sound)
    if not compared.any():
        zero = np.zeros(len(compared))
        return Credit(zero, zero, zero, _figures(columns, sound))
    credit = _spread(estimator(_steps(columns, compared)), compared)
    if (compared == sound).all():
        return credit
    return replace(credit, diagnostics=credit.diagnostics | _figures(columns, sound))


def without(credit: Credit, rows: Bools) -> Credit:
    """The same credit with 0 in these rows, (N,)."""
    return replace(
        credit,
        advantage=np.where(rows, 0.0, credit.advantage),
        episode=np.where(rows, 0.0, credit.episode),
        step=np.where(rows, 0.0, credit.step),
    )


def _left_alone(
    groups: Sequence[Hashable], trajectories: Sequence[Hashable], sound: Bools
) -> Bools:
    """The rows of groups of which some episodes failed and one is left."""
    members = {
        trajectory: (group, whole)
        for trajectory, group, whole in zip(trajectories, groups, sound, strict=True)
    }
    hurt = {group for group, whole in members.values() if not whole}
    left = Counter(group for group, whole in members.values() if whole)
    return np.array([group in hurt and left[group] == 1 for group in groups], dtype=bool)


def _steps(columns: Mapping[str, Sequence[Any]], rows: Bools) -> Steps:
    chosen = np.flatnonzero(rows).tolist()
    return Steps(**{name: [column[row] for row in chosen] for name, column in columns.items()})


def _figures(columns: Mapping[str, Sequence[Any]], rows: Bools) -> dict[str, float]:
    return batch_diagnostics(_steps(columns, rows)) if rows.any() else {}


def _spread(credit: Credit, rows: Bools) -> Credit:
    """Credit of the chosen `rows` as that of all N; 0 elsewhere."""
    return replace(
        credit,
        advantage=_placed(credit.advantage, rows),
        episode=_placed(credit.episode, rows),
        step=_placed(credit.step, rows),
    )


def _placed(values: Floats, rows: Bools) -> Floats:
    whole = np.zeros(len(rows))
    whole[rows] = values
    return whole
