"""What an update's rollouts were like, in numbers to log."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from proxmo.types import Trajectory


def rollout_metrics(trajectories: Sequence[Trajectory]) -> dict[str, float]:
    """Success, score, reward and length of the episodes; validity and length of their responses."""
    steps = [step for trajectory in trajectories for step in trajectory.steps]
    scores = [t.score for t in trajectories if t.score is not None]
    graded = {"rollout/score": float(np.mean(scores))} if scores else {}
    return graded | {
        "rollout/success_rate": float(np.mean([t.success for t in trajectories])),
        "rollout/reward": float(np.mean([t.reward for t in trajectories])),
        "rollout/steps": len(steps) / len(trajectories),
        "rollout/truncated": float(np.mean([t.truncated for t in trajectories])),
        "rollout/invalid_actions": float(np.mean([not step.valid for step in steps])),
        "rollout/response_tokens": float(np.mean([len(step.response_ids) for step in steps])),
        "rollout/errors": float(sum(t.error is not None for t in trajectories)),
    }
