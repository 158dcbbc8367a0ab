"""What steps were really worth, from what came of playing on from them.

With h everything that policy and environment remember, and V* what the policy that sampled the step
really gets from there on:

    A*(h_t, a_t) = r_t + gamma V*(h_t+1) - V*(h_t),        V* = 0 after the last step

V*(h_t) is estimated by the mean discounted return of the K continuations of step t. They are not
the episode's own steps, which the methods have seen. Rewards alone count, no charge.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from proxmo.audit.record import Playthrough, TaskRecord
from proxmo.credit.steps import Floats, Ints

_ROUNDING = 1e-9
"""Worth below it is none: sums of equal returns differ by so much."""


@dataclass(frozen=True, slots=True, eq=False)
class Truth:
    """The audited steps of all tasks, S of them, and what each was worth."""

    task: Ints
    """(S,) Number of the step's task among the records."""
    trajectory: Ints
    """(S,) Number of its episode in its group."""
    step: Ints
    """(S,) Its place in the episode, from 0."""
    value: Floats
    """(S,) V*(h_t), what the policy gets from there on, before it acts."""
    advantage: Floats
    """(S,) A*(h_t, a_t), what the step was worth."""
    error: Floats
    """(S,) Standard error of `advantage`, which continuations leave."""
    halves: Floats
    """(2, S) `advantage` from one half of the continuations each: independent of one another."""
    continuations: Ints
    """(S,) How many continuations V*(h_t) is the mean of."""
    left_out: int
    """Steps of which the environment broke off so many continuations that no half is left."""

    def __len__(self) -> int:
        return len(self.advantage)

    @property
    def clear(self) -> np.ndarray:
        """(S,) Whether the step's worth differs from zero by more than two standard errors."""
        return np.abs(self.advantage) > np.maximum(2 * self.error, _ROUNDING)


@dataclass(frozen=True, slots=True)
class _Value:
    """V* of one history: mean, the mean's variance, the mean of either half."""

    mean: float
    variance: float
    halves: tuple[float, float]
    count: int


_END = _Value(0.0, 0.0, (0.0, 0.0), 0)


def truth_of(records: Sequence[TaskRecord], gamma: float = 0.95) -> Truth:
    """The truth of all audited steps, discounted by `gamma` in [0, 1]."""
    rows: list[tuple[int, int, int, _Value, float, _Value]] = []
    left_out = 0
    for number, record in enumerate(records):
        sampled = {run.trajectory: run for run in record.sampled}
        for trajectory in record.audited:
            run = sampled[trajectory]
            values = _values(record, trajectory, gamma)
            last = run.end - run.first - 1
            for step in range(last + 1):
                before = values.get(step)
                after = _END if step == last else values.get(step + 1)
                if before is None or after is None:
                    left_out += 1
                    continue
                reward = float(record.reward[run.first + step])
                rows.append((number, trajectory, step, before, reward, after))
    before, after = [row[3] for row in rows], [row[5] for row in rows]
    paid = np.array([row[4] for row in rows])

    def half(number: int) -> Floats:
        later = _column(value.halves[number] for value in after)
        return paid + gamma * later - _column(value.halves[number] for value in before)

    value = _column(b.mean for b in before)
    variance = gamma**2 * _column(a.variance for a in after) + _column(b.variance for b in before)
    return Truth(
        task=_numbers(row[0] for row in rows),
        trajectory=_numbers(row[1] for row in rows),
        step=_numbers(row[2] for row in rows),
        value=value,
        advantage=paid + gamma * _column(a.mean for a in after) - value,
        error=np.sqrt(variance),
        halves=np.stack([half(0), half(1)]),
        continuations=_numbers(b.count for b in before),
        left_out=left_out,
    )


def half_of(run: Playthrough) -> int:
    """Which half of the continuations it is in: 0 or 1."""
    return run.number % 2


def _values(record: TaskRecord, trajectory: int, gamma: float) -> dict[int, _Value]:
    """V* before each step of an episode; without those that too few continuations are left of."""
    values = {}
    for since, runs in record.continuations(trajectory).items():
        returns = np.array([record.discounted(run, gamma) for run in runs])
        half = np.array([half_of(run) for run in runs])
        if 0 < half.sum() < len(half):
            values[since] = _Value(
                mean=float(returns.mean()),
                variance=float(returns.var(ddof=1) / len(returns)),
                halves=(float(returns[half == 0].mean()), float(returns[half == 1].mean())),
                count=len(returns),
            )
    return values


def _column(values: Iterable[float]) -> Floats:
    return np.fromiter(values, np.float64)


def _numbers(values: Iterable[int]) -> Ints:
    return np.fromiter(values, np.intp)
