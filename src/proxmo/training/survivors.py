"""Credit of a batch in which some environments broke."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from proxmo.config import FailedEpisodes
from proxmo.credit import Credit, Estimator, Steps
from proxmo.credit.diagnostics import batch_diagnostics
from proxmo.credit.steps import Bools, Floats
from proxmo.types import Trajectory


def credit_of(
    trajectories: Sequence[Trajectory], estimator: Estimator, failed_episodes: FailedEpisodes
) -> Credit:
    """The advantages of a batch, one per step, trajectory by trajectory; 0 where one failed.

    Under `drop` nothing of a failed episode is compared with, and the only survivor of a group
    has nothing to be compared with: its advantages are 0, its group counts among those without
    a signal. Under `fail` a failed episode counts as a failure in the means. At least one
    episode must not have failed.
    """
    sound = [trajectory for trajectory in trajectories if not trajectory.failed]
    assert sound, "nothing to learn from"
    if len(sound) == len(trajectories):
        return estimator(Steps.from_trajectories(trajectories))
    compared = list(trajectories) if failed_episodes == "fail" else _in_company(sound)
    if not compared:
        return _silent(trajectories, batch_diagnostics(Steps.from_trajectories(sound)))
    credit = estimator(Steps.from_trajectories(compared))
    if failed_episodes == "drop" and len(compared) < len(sound):
        figures = batch_diagnostics(Steps.from_trajectories(sound))
        credit = replace(credit, diagnostics=credit.diagnostics | figures)
    return _spread(credit, trajectories, {trajectory.id for trajectory in compared})


def _in_company(sound: Sequence[Trajectory]) -> list[Trajectory]:
    """Those with another one in their group."""
    sizes = Counter(trajectory.group for trajectory in sound)
    return [trajectory for trajectory in sound if sizes[trajectory.group] > 1]


def _silent(trajectories: Sequence[Trajectory], diagnostics: dict[str, float]) -> Credit:
    zero = np.zeros(sum(len(trajectory.steps) for trajectory in trajectories))
    return Credit(zero, zero, zero, diagnostics)


def _spread(credit: Credit, trajectories: Sequence[Trajectory], compared: set[str]) -> Credit:
    """The credit of the steps compared as that of all steps; 0 for others and for failed ones."""
    lengths = [len(trajectory.steps) for trajectory in trajectories]
    given = np.repeat([trajectory.id in compared for trajectory in trajectories], lengths)
    failed = np.repeat([trajectory.failed for trajectory in trajectories], lengths)
    return Credit(
        advantage=_placed(credit.advantage, given, failed),
        episode=_placed(credit.episode, given, failed),
        step=_placed(credit.step, given, failed),
        diagnostics=credit.diagnostics,
    )


def _placed(values: Floats, given: Bools, failed: Bools) -> Floats:
    whole = np.zeros(len(given))
    whole[given] = values
    whole[failed] = 0.0
    return whole
