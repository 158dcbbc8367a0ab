"""What the episodes of a batch were like, in numbers to log."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from proxmo.types import FailedEpisodes, Trajectory

ERRORS = "rollout/errors"
"""Metric: episodes of a batch that their environment broke off."""


def rollout_metrics(
    trajectories: Sequence[Trajectory], failed_episodes: FailedEpisodes = "drop"
) -> dict[str, float]:
    """Success, score, reward and length of the episodes; validity and length of their responses.

    The score is told where an environment gives one, the length of responses where their tokens
    are on record.
    Episodes that failed are counted (`rollout/errors`) and enter nothing else; under `fail` they
    count as failures in success, score and reward. At least one must not have failed.
    """
    sound = [trajectory for trajectory in trajectories if not trajectory.failed]
    judged = trajectories if failed_episodes == "fail" else sound
    steps = [step for trajectory in sound for step in trajectory.steps]
    figures = {
        "rollout/success_rate": float(np.mean([t.success for t in judged])),
        "rollout/reward": float(np.mean([t.reward for t in judged])),
        "rollout/steps": len(steps) / len(sound),
        "rollout/truncated": float(np.mean([t.truncated for t in sound])),
        "rollout/invalid_actions": float(np.mean([not step.valid for step in steps])),
        "rollout/cut_prompts": float(np.mean([step.cut for step in steps])),
        ERRORS: float(len(trajectories) - len(sound)),
    }
    scores = [t.score for t in sound if t.score is not None]
    if scores:
        lost = [0.0] * (len(judged) - len(sound))
        figures["rollout/score"] = float(np.mean(scores + lost))
    if any(step.response_ids for step in steps):
        lengths = [len(step.response_ids) for step in steps]
        figures["rollout/response_tokens"] = float(np.mean(lengths))
    return figures
