"""Credit of an update's episodes, of which some may have failed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from proxmo.credit import Credit, Estimator, Steps, credit_survivors
from proxmo.credit.steps import columns_of
from proxmo.credit.survivors import without
from proxmo.types import FailedEpisodes, Trajectory


def credit_of(
    trajectories: Sequence[Trajectory], estimator: Estimator, failed_episodes: FailedEpisodes
) -> Credit:
    """The advantages of a batch, one per step, trajectory by trajectory; 0 where one failed.

    Under `drop` nothing of a failed episode is compared with (`credit_survivors`); under `fail`
    it counts as a failure in the means. At least one episode must not have failed.
    """
    assert not all(trajectory.failed for trajectory in trajectories), "nothing to learn from"
    lengths = [len(trajectory.steps) for trajectory in trajectories]
    failed = np.repeat([trajectory.failed for trajectory in trajectories], lengths)
    if failed_episodes == "fail":
        return without(estimator(Steps.from_trajectories(trajectories)), failed)
    return credit_survivors(estimator, columns_of(trajectories), failed.tolist())
