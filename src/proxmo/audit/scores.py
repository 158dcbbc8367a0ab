"""How well what a method says agrees with the truth, and how surely.

Tasks are drawn anew for every interval: steps of one task resemble each other. The same tasks are
drawn for all methods, so that a difference of two is paired.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import rankdata

from proxmo.comparison.statistics import RESAMPLES
from proxmo.credit.steps import Floats, Ints
from proxmo.evaluation.scores import CONFIDENCE


@dataclass(frozen=True, slots=True, eq=False)
class Resampled:
    """A figure, and what it came to in every resample of the tasks."""

    value: float
    draws: Floats
    """(R,) NaN where a resample leaves it undefined."""

    @property
    def interval(self) -> tuple[float, float]:
        """Ends of the 95 % interval of percentiles; NaN where nothing is defined."""
        drawn = self.draws[np.isfinite(self.draws)]
        if not len(drawn) or not np.isfinite(self.value):
            return float("nan"), float("nan")
        tail = 50 * (1 - CONFIDENCE)
        low, high = np.percentile(drawn, [tail, 100 - tail])
        return float(low), float(high)

    def __sub__(self, other: Resampled) -> Resampled:
        return Resampled(self.value - other.value, self.draws - other.draws)

    def over(self, other: Resampled) -> Resampled:
        """This figure divided by another's square root, as a correlation by a reliability's."""
        with np.errstate(invalid="ignore", divide="ignore"):
            draws = self.draws / np.sqrt(np.where(other.draws > 0, other.draws, np.nan))
            value = self.value / np.sqrt(other.value) if other.value > 0 else float("nan")
        return Resampled(float(value), draws)

    def times_root(self, other: Resampled) -> Resampled:
        """This figure times another's square root, as a correlation by a reliability's."""
        with np.errstate(invalid="ignore"):
            draws = self.draws * np.sqrt(np.where(other.draws > 0, other.draws, np.nan))
            value = self.value * np.sqrt(other.value) if other.value > 0 else float("nan")
        return Resampled(float(value), draws)

    def of_mean(self, count: int) -> Resampled:
        """A reliability r of one as that of a mean of so many: n r / (1 + (n - 1) r) (Spearman and
        Brown)."""
        return Resampled(
            count * self.value / (1 + (count - 1) * self.value),
            count * self.draws / (1 + (count - 1) * self.draws),
        )


class Bootstrap:
    """Resamples of the tasks, the same for all that is asked of them."""

    def __init__(self, task: Ints, seed: int = 0, resamples: int = RESAMPLES) -> None:
        """`task` (S,) is the number of each step's task."""
        _, self._task = np.unique(task, return_inverse=True)
        count = int(self._task.max()) + 1 if len(self._task) else 0
        drawn = np.random.default_rng(seed).multinomial(
            count, np.full(count, 1 / max(count, 1)), size=resamples
        )
        self._times = np.vstack([np.ones(count), drawn])  # the tasks as they are, then resamples
        """(R + 1, tasks) How often each task is in each resample."""

    def correlation(self, x: Floats, y: Floats) -> Resampled:
        """Pearson's; 0 where one of the two never varies, as it then says nothing."""
        x, y = x - x.mean(), y - y.mean()  # for the sums' accuracy
        moments = np.stack([np.ones(len(x)), x, y, x * x, y * y, x * y], axis=1)
        n, sx, sy, sxx, syy, sxy = (self._times @ self._by_task(moments)).T
        vx, vy = sxx - sx * sx / n, syy - sy * sy / n
        floor = 1e-12 * np.array([max((x * x).sum(), 1e-300), max((y * y).sum(), 1e-300)])
        with np.errstate(invalid="ignore", divide="ignore"):
            r = (sxy - sx * sy / n) / np.sqrt(vx * vy)
        return _resampled(np.where((vx > floor[0]) & (vy > floor[1]), r, 0.0))

    def rank_correlation(self, x: Floats, y: Floats) -> Resampled:
        """Spearman's: Pearson's of the ranks among all steps."""
        return self.correlation(rankdata(_rounded(x)), rankdata(_rounded(y)))

    def share(self, counted: ArrayLike, among: ArrayLike) -> Resampled:
        """Share of the steps `among` (S,) that are `counted` (S,)."""
        flags = np.stack([np.asarray(counted) & np.asarray(among), np.asarray(among)], axis=1)
        hits, total = (self._times @ self._by_task(flags.astype(np.float64))).T
        with np.errstate(invalid="ignore", divide="ignore"):
            return _resampled(hits / total)

    def _by_task(self, rows: Floats) -> Floats:
        """Sums of the rows (S, k) of each task, (tasks, k)."""
        sums = np.zeros((self._times.shape[1], rows.shape[1]))
        np.add.at(sums, self._task, rows)
        return sums


def product_root(one: Resampled, other: Resampled) -> Resampled:
    """Two reliabilities as one: their product, which `Resampled.over` takes the root of."""
    return Resampled(one.value * other.value, one.draws * other.draws)


def _rounded(x: Floats) -> Floats:
    """To twelve digits: what differs by rounding alone is equal in rank."""
    scale = float(np.abs(x).max()) if len(x) else 0.0
    return np.round(x / scale, 12) if scale > 0 else x


def _resampled(values: Floats) -> Resampled:
    return Resampled(float(values[0]), values[1:])
