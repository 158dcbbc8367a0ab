"""What the authors' released code computes, kept to compare with published runs.

Source: GithubX-F/ProxMO-RL at 496efa7, `proxmo/core_proxmo.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from proxmo.credit.diagnostics import baseline_diagnostics, modulation_diagnostics
from proxmo.credit.gigpo import similar_clusters
from proxmo.credit.groups import EPSILON, group_mean, group_std
from proxmo.credit.modulation import modulation_weights
from proxmo.credit.options import check_choice, check_finite, check_range
from proxmo.credit.result import Credit, combine
from proxmo.credit.returns import charge_invalid, step_returns
from proxmo.credit.similarity import cosine_kernel
from proxmo.credit.soft import soft_baselines
from proxmo.credit.states import States, distinct_states
from proxmo.credit.steps import Floats, Ints, Steps
from proxmo.credit.tfidf import tfidf_vectors
from proxmo.errors import InputError

ReleasedMode = Literal["soft", "mean_norm", "mean_std_norm"]
"""`soft`: soft baselines (the code's "soft_grouping"); the other two: anchor groups, without
and with division by the standard deviation at both levels."""


@dataclass(frozen=True, slots=True)
class ReleasedProxMO:
    """ProxMO as the released code has it; `ProxMO` itself follows the paper's equations.

    What differs from `ProxMO`, besides the modes:

    - The score of a row is its trajectory's reward less the row's own charge, and means and
      deviations are taken over rows: long trajectories count more, penalties move the mean.
    - The success rate p is that mean, clamped to [0, 1]: with a reward of 10 it saturates.
    - Success is a score above 0.5, whatever the environment reported.
    - A group of one row has no mean taken off at the episode level.
    - When no text of the batch has a token, the step level is 0.
    """

    gamma: float = 0.95
    """Discount of later rewards, in [0, 1]."""
    alpha: float = 4.0
    """Steepness of the modulation, > 0."""
    modulation: float = 0.05
    """m in [0, 1]: weights stay within [1 - m, 1 + m]; 0 turns modulation off."""
    temperature: float = 0.1
    """tau > 0, used by mode "soft"."""
    step_weight: float = 1.0
    """omega >= 0: weight of the step-level advantage."""
    invalid_action_penalty: float = 0.1
    """c >= 0: what an invalid action costs the step that made it."""
    mode: ReleasedMode = "soft"
    """"soft", "mean_norm" or "mean_std_norm"."""
    similarity_threshold: float | None = None
    """Anchor groups by difflib ratio, in (0, 1], for the last two modes; None: same text."""

    def __post_init__(self) -> None:
        check_range("gamma", self.gamma, 0.0, 1.0)
        check_range("alpha", self.alpha, 0.0, above=True)
        check_range("modulation", self.modulation, 0.0, 1.0)
        check_range("temperature", self.temperature, 0.0, above=True)
        check_finite("step_weight", self.step_weight, 0.0)
        check_finite("invalid_action_penalty", self.invalid_action_penalty, 0.0)
        check_choice("mode", self.mode, get_args(ReleasedMode))
        if self.similarity_threshold is not None:
            check_range("similarity_threshold", self.similarity_threshold, 0.0, 1.0, above=True)
            if self.mode == "soft":
                raise InputError(
                    f"similarity_threshold is {self.similarity_threshold}, and mode 'soft' has no "
                    "use for one; leave it out, or choose mode 'mean_norm' or 'mean_std_norm'"
                )

    def __call__(self, steps: Steps) -> Credit:
        """Return the advantages of `steps`, episode and step level."""
        scores = charge_invalid(
            steps.trajectory_rewards[steps.trajectory_ids], steps.valid, self.invalid_action_penalty
        )  # (N,)
        success = scores > 0.5
        mean = _row_mean(scores, steps.group_ids)
        weights = modulation_weights(success, np.clip(mean, 0, 1), self.alpha, self.modulation)
        episode = weights * self._relative(scores, mean, steps.group_ids)
        returns = step_returns(steps, self.gamma, self.invalid_action_penalty)
        states = distinct_states(steps)
        if self.mode == "soft":
            baselines, neighbours = self._soft(returns, steps, states)
            step = returns - baselines
        else:
            anchors = states.of_step
            if self.similarity_threshold is not None:
                rows = np.arange(len(steps))
                anchors = similar_clusters(steps, states, self.similarity_threshold, rows)
            baselines = group_mean(returns, anchors)
            neighbours = np.bincount(anchors)[anchors].astype(np.float64)
            step = self._relative(returns, baselines, anchors)
        return combine(
            steps,
            episode=episode,
            step=step,
            step_weight=self.step_weight,
            states=states,
            diagnostics=modulation_diagnostics(weights, success)
            | baseline_diagnostics(returns, baselines, neighbours),
        )

    def _relative(self, values: Floats, baselines: Floats, groups: Ints) -> Floats:
        """Values less their baseline, in mode "mean_std_norm" over std + eps."""
        if self.mode != "mean_std_norm":
            return values - baselines
        alone = np.bincount(groups)[groups] == 1
        std = np.where(alone, 1.0, group_std(values, groups))
        return (values - baselines) / (std + EPSILON)

    def _soft(self, returns: Floats, steps: Steps, states: States) -> tuple[Floats, Floats]:
        """Soft baselines; a batch with no token has each return for its own baseline."""
        vectors = tfidf_vectors(steps.texts, np.bincount(steps.text_ids))
        if vectors.nnz == 0:
            return returns, np.ones_like(returns)
        return soft_baselines(returns, states, cosine_kernel(vectors), self.temperature)


def _row_mean(scores: Floats, groups: Ints) -> Floats:
    """Mean of the scores over the rows of the group; 0 for a group of one row."""
    return np.where(np.bincount(groups)[groups] == 1, 0.0, group_mean(scores, groups))
