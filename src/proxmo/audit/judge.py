"""What credit methods say of the audited steps, against what the steps were worth."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from proxmo.audit.record import TaskRecord
from proxmo.audit.redraw import Redrawn, redraw
from proxmo.audit.scores import Bootstrap, Resampled, product_root
from proxmo.audit.truth import Truth, truth_of
from proxmo.credit import Estimator, Steps
from proxmo.credit.steps import Floats
from proxmo.envs.noise import noisy
from proxmo.errors import InputError, ProxmoWarning

_ROUNDING = 1e-9
"""Credit below this share of the batch's largest, or of 1 where all is small, is no credit."""

_Key = tuple[str, float]
"""Name of a method, and the noise on what it read."""


@dataclass(frozen=True, slots=True, eq=False)
class Judgement:
    """How one method did, on observations with one share of noise."""

    method: str
    noise: float
    advantage: Floats
    """(S,) What it gave the audited steps, in the order of the truth."""
    expected: Floats
    """(S,) Mean of what it gave them over groups drawn anew: its credit without the noise."""
    correlation: Resampled
    """Pearson's, of its credit with the truth."""
    corrected: Resampled
    """The same, but for the noise of the truth: over the root of the truth's reliability."""
    rank_correlation: Resampled
    """Spearman's, not corrected."""
    sign: Resampled
    """Share of the clear steps (`Truth.clear`) whose sign it has right; silence is not right."""
    expected_correlation: Resampled
    """Of its expected credit with the truth, but for the noise of both: below 1 it is biased, in
    the same way every time, which no number of samples averages out."""
    signal: Resampled
    """Share of its credit's variance over steps that is no chance: what two draws of the group
    around the same step have in common."""
    silent: float
    """Share of the steps to which it gave exactly 0."""

    def averaged(self, groups: int) -> Resampled:
        """Correlation with the truth of its mean credit over so many groups around each step.

        What training comes to that meets like steps again and again: noise averages out, bias
        stays. With s the signal, the mean of n has the signal n s / (1 + (n - 1) s) (Spearman and
        Brown), and the correlation its root times the expected one.
        """
        return self.expected_correlation.times_root(self.signal.of_mean(groups))


@dataclass(frozen=True, slots=True, eq=False)
class Findings:
    """The truth of the audited steps, and every method's judgement."""

    truth: Truth
    reliability: Resampled
    """Of the truth: 1 were it known exactly."""
    clear: float
    """Share of the steps whose worth differs from 0 by more than two standard errors."""
    judgements: dict[_Key, Judgement]
    gamma: float
    """Discount of the truth."""

    @property
    def methods(self) -> list[str]:
        """Names of the methods, in their order."""
        return list(dict.fromkeys(method for method, _ in self.judgements))

    @property
    def noises(self) -> list[float]:
        """Shares of noise, ascending."""
        return sorted({noise for _, noise in self.judgements})

    def of(self, method: str, noise: float | None = None) -> Judgement:
        """One method's judgement; without `noise` at the least of it."""
        return self.judgements[method, self.noises[0] if noise is None else noise]


def judge(
    records: Sequence[TaskRecord],
    estimators: Mapping[str, Estimator],
    *,
    gamma: float = 0.95,
    noise: Sequence[float] = (0.0,),
    draws: int = 2,
    seed: int = 0,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> Findings:
    """Compare what each of `estimators` says of the records' audited steps with the truth.

    All read the same batch: the sampled episodes of all tasks together, as in an update. With
    `noise`, shares in [0, 1], the same batch once more per share, with sentences on observations
    as under `--env.noise`; the truth stays, as the policy did not see them. `gamma` discounts it.
    `draws` groups a side are drawn anew around every step, to tell bias and noise apart.

    Raises:
        InputError: when no step was audited, or no two tasks were.
    """
    truth = truth_of(records, gamma)
    if len(np.unique(truth.task)) < 2:
        raise InputError(
            f"steps of {len(np.unique(truth.task))} tasks were audited; intervals need at least 2"
        )
    bootstrap = Bootstrap(truth.task, seed)
    halves = bootstrap.correlation(truth.halves[0], truth.halves[1])
    anew = redraw(records, truth, draws, seed)
    bench = _Bench(records, truth, anew)
    judgements: dict[_Key, Judgement] = {}
    noises = sorted(set(noise))
    total = len(noises) * len(estimators)
    for amount in noises:
        sampled, redrawn = bench.read(amount)
        for name, estimator in estimators.items():
            with warnings.catch_warnings():
                # That a method says nothing is what the audit is about.
                warnings.simplefilter("ignore", ProxmoWarning)
                given = _settled(estimator(sampled).advantage)[bench.places]
                again = _settled(estimator(redrawn).advantage)[anew.kept]
            judgements[name, amount] = _judgement(
                name, amount, given, again, truth, bootstrap, halves
            )
            on_progress(len(judgements), total)
    return Findings(truth, halves.of_mean(2), float(truth.clear.mean()), judgements, gamma)


def _judgement(
    name: str,
    noise: float,
    given: Floats,
    again: Floats,
    truth: Truth,
    bootstrap: Bootstrap,
    halves: Resampled,
) -> Judgement:
    """`given` (S,), and `again` (2, draws, S) of the groups drawn anew; `halves` is how the halves
    of the truth agree."""
    correlation = bootstrap.correlation(given, truth.advantage)
    sides = again.mean(axis=1)
    # Each side against the truth of the other half of the continuations: nothing in common.
    crossed = [bootstrap.correlation(sides[side], truth.halves[1 - side]) for side in (0, 1)]
    shared = bootstrap.correlation(sides[0], sides[1])
    both = Resampled(
        (crossed[0].value + crossed[1].value) / 2, (crossed[0].draws + crossed[1].draws) / 2
    )
    single = [
        bootstrap.correlation(one, other) for one, other in zip(again[0], again[1], strict=True)
    ]
    return Judgement(
        method=name,
        noise=noise,
        advantage=given,
        expected=sides.mean(axis=0),
        correlation=correlation,
        corrected=correlation.over(halves.of_mean(2)),
        rank_correlation=bootstrap.rank_correlation(given, truth.advantage),
        sign=bootstrap.share(np.sign(given) == np.sign(truth.advantage), truth.clear),
        expected_correlation=both.over(product_root(shared, halves)),
        signal=Resampled(
            float(np.mean([one.value for one in single])),
            np.mean([one.draws for one in single], axis=0),
        ),
        silent=float((given == 0).mean()),
    )


def _settled(advantage: Floats) -> Floats:
    """Zeros but for rounding become zeros: silence has no correlation with anything."""
    least = _ROUNDING * max(float(np.abs(advantage).max()), 1.0)
    return np.where(np.abs(advantage) < least, 0.0, advantage)


class _Bench:
    """The steps that methods read: as they were sampled, and in groups drawn anew."""

    def __init__(self, records: Sequence[TaskRecord], truth: Truth, anew: Redrawn) -> None:
        self._observation = list(chain.from_iterable(record.observation for record in records))
        self._reward = np.concatenate([record.reward for record in records])
        self._valid = np.concatenate([record.valid for record in records])
        self._names = _names(records)
        self._anew = anew
        self._columns, first = _sampled(records)
        keys = zip(truth.task.tolist(), truth.trajectory.tolist(), strict=True)
        self.places = np.array([first[key] for key in keys]) + truth.step
        """(S,) Row of each audited step among the sampled ones."""

    def read(self, noise: float) -> tuple[Steps, Steps]:
        """The batch of all sampled episodes, and the groups that were drawn anew."""
        anew, texts = self._anew, self._texts(noise)
        sampled = self._steps(texts, **self._columns)
        redrawn = self._steps(
            texts, anew.rows, anew.group, anew.trajectory, anew.step, anew.success
        )
        return sampled, redrawn

    def _steps(self, texts, rows, group, trajectory, step, success) -> Steps:
        return Steps(
            group=group,
            trajectory=trajectory,
            step=step,
            observation=texts[rows],
            reward=self._reward[rows],
            success=success,
            valid=self._valid[rows],
        )

    def _texts(self, noise: float) -> NDArray[np.object_]:
        """Every row's observation as it reads with noise, the same for whoever it is shown to."""
        texts = np.array(self._observation, dtype=object)
        if noise > 0:
            for row in np.unique(np.concatenate([self._columns["rows"], self._anew.rows])):
                texts[row] = noisy(self._observation[row], noise, (self._names[row],))
        return texts


def _names(records: Sequence[TaskRecord]) -> list[str]:
    """A name of every row, of which its noise is made."""
    return [
        f"{record.task}/{run.trajectory}/{run.since}/{run.number}/{place}"
        for record in records
        for run in record.runs
        for place in range(run.end - run.first)
    ]


def _sampled(records: Sequence[TaskRecord]):
    """Columns of the sampled episodes' steps, and the row at which each episode begins."""
    rows, group, trajectory, step, success = [], [], [], [], []
    first: dict[tuple[int, int], int] = {}
    offset = count = 0
    for number, record in enumerate(records):
        for run in record.sampled:
            length = run.end - run.first
            first[number, run.trajectory] = len(rows)
            rows += range(offset + run.first, offset + run.end)
            group += [number] * length
            trajectory += [count] * length
            step += range(length)
            success += [run.success] * length
            count += 1
        offset += len(record.reward)
    return {
        "rows": np.array(rows),
        "group": np.array(group),
        "trajectory": np.array(trajectory),
        "step": np.array(step),
        "success": np.array(success),
    }, first
