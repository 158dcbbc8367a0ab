"""What a handful of runs can say, and how surely.

The aggregates are those of Agarwal et al. 2021 (Deep Reinforcement Learning at the Edge of the
Statistical Precipice, arXiv 2108.13264, section 4), written out here because the package that
goes with the paper, rliable, brings pandas, seaborn and statsmodels along; the bootstrap is
SciPy's.
Scores come in strata: one array (runs,) per environment.

A difference is judged by a t interval of the paired differences. A bootstrap of a few runs is too
narrow for that: of three differences that are pure noise, one time in four all have one sign, and
then no resample ever holds another.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import bootstrap, trim_mean
from scipy.stats import t as student

from proxmo.credit.steps import Floats
from proxmo.evaluation.scores import CONFIDENCE

Strata = Sequence[Floats]
"""One array (runs,) per environment."""

RESAMPLES = 10_000
_SAME = 1e-18
"""Variance of a mean difference below which all differences are one, but for rounding."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number with its 95 % interval, which is NaN to NaN where the runs leave none."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Difference:
    """How much better one variant is than another, over the runs that both have."""

    estimate: Estimate
    runs: int
    """Pairs of runs: same environment, same seed."""

    @property
    def shown(self) -> bool:
        """Whether the interval leaves out zero."""
        return self.estimate.low > 0 or self.estimate.high < 0

    @property
    def verdict(self) -> str:
        """`better`, `worse` or `not shown`."""
        if not self.shown:
            return "not shown"
        return "better" if self.estimate.value > 0 else "worse"


def interquartile_mean(scores: Floats) -> Floats:
    """Mean of the middle half along the last axis.

    A quarter of the n scores, rounded down, is left out at each end: of five, the middle three.
    """
    return trim_mean(scores, 0.25, axis=-1)


def aggregate(strata: Strata, seed: int = 0) -> Estimate:
    """Interquartile mean over all runs of all environments, with a stratified bootstrap interval.

    Runs are drawn anew, with replacement, within each environment; the interval is that
    of the percentiles.
    """

    def statistic(*samples: Floats, axis: int = -1) -> Floats:
        return interquartile_mean(np.concatenate(samples, axis=axis))

    return _bootstrap(statistic, strata, seed)


def probability_of_improvement(ours: Strata, theirs: Strata, seed: int = 0) -> Estimate:
    """P(X > Y): how likely a run of ours beats a run of theirs, on average over environments.

    Over all pairs of an environment, a win counts 1 and a tie 1/2: Mann-Whitney's U over its
    maximum. The interval resamples both sides.
    """
    count = len(ours)

    def statistic(*samples: Floats, axis: int = -1) -> Floats:
        wins = []
        for mine, other in zip(samples[:count], samples[count:], strict=True):
            sign = np.sign(mine[..., :, None] - other[..., None, :])
            wins.append((0.5 + 0.5 * sign).mean(axis=(-2, -1)))
        return np.mean(wins, axis=0)

    return _bootstrap(statistic, [*ours, *theirs], seed)


def paired_difference(ours: Strata, theirs: Strata) -> Difference:
    """Mean over environments of the mean difference of the runs with the same seed.

    Runs stand in the same order on both sides. The interval is Student's; over several
    environments with Welch and Satterthwaite's degrees of freedom. One pair gives none, nor do
    two with the same difference, whose spread says nothing.
    """
    pairs = [mine - other for mine, other in zip(ours, theirs, strict=True)]
    runs = sum(map(len, pairs))
    mean = float(np.mean([difference.mean() for difference in pairs]))
    if min(map(len, pairs)) < 2:
        return Difference(Estimate(mean, math.nan, math.nan), runs)
    # Variance of the mean over environments, from each one's variance of its mean.
    parts = np.array([d.var(ddof=1) / len(d) for d in pairs]) / len(pairs) ** 2
    variance = float(parts.sum())
    if variance < _SAME:  # two equal differences: by chance, as successes are counted
        end = mean if min(map(len, pairs)) > 2 else math.nan
        return Difference(Estimate(mean, end, end), runs)
    freedom = variance**2 / sum(
        part**2 / (len(d) - 1) for part, d in zip(parts, pairs, strict=True)
    )
    half = float(student.ppf(0.5 + CONFIDENCE / 2, freedom)) * math.sqrt(variance)
    return Difference(Estimate(mean, mean - half, mean + half), runs)


def _bootstrap(statistic: Callable[..., Floats], strata: Strata, seed: int) -> Estimate:
    """The statistic of the strata as they are, and of 10,000 resamples of each of them."""
    value = float(statistic(*strata))
    if min(map(len, strata)) < 2:
        return Estimate(value, math.nan, math.nan)
    found = bootstrap(
        strata,
        statistic,
        n_resamples=RESAMPLES,
        vectorized=True,
        confidence_level=CONFIDENCE,
        method="percentile",
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return Estimate(value, float(found.low), float(found.high))
