"""GraphGPO (Feng et al. 2026, arXiv 2605.26684): steps judged by their distance from success."""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

import numpy as np
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import dijkstra

from proxmo.credit.episode import Normalize, episode_advantages
from proxmo.credit.groups import relative
from proxmo.credit.options import check_choice, check_finite, check_range
from proxmo.credit.result import Credit, combine
from proxmo.credit.steps import Floats, Steps
from proxmo.credit.transitions import NOWHERE, Transitions, transitions_of

_SUCCESS_REWARD = 10.0


def success_distances(transitions: Transitions) -> tuple[Floats, Floats]:
    """d(s): fewest steps from each state to success along observed transitions, (S,).

    States that cannot reach it get the largest finite d of their group plus 1: also returned,
    per group (G,). In a group without success both are infinite.
    """
    count, bounds = transitions.count, transitions.states.bounds
    groups = len(bounds) - 1
    known = transitions.successor != NOWHERE
    # Backwards, from one root over the success of every group.
    root = count + groups
    edges = np.unique(transitions.successor[known] * root + transitions.states.of_step[known])
    start = np.concatenate([edges // root, np.full(groups, root)])
    end = np.concatenate([edges % root, count + np.arange(groups)])
    graph = csr_matrix((np.ones(len(start)), (start, end)), shape=(root + 1, root + 1))
    distance = dijkstra(graph, indices=root, unweighted=True)[:count] - 1
    reached = np.where(np.isfinite(distance), distance, -np.inf)
    beyond = np.abs(np.maximum.reduceat(reached, bounds[:-1]) + 1)  # without success: infinity
    return np.minimum(distance, np.repeat(beyond, np.diff(bounds))), beyond


@dataclass(frozen=True, slots=True)
class GraphGPO:
    """The episode's advantage, plus each step's approach to success against its state's others.

        A_it = A_i^E + omega A_it^S,   A_it^S = 10 delta^{d(successor)}, relative to the steps that
                                                leave the same state

    d is the fewest observed steps to success. A state left once, and a group without a success,
    give 0. The published code takes the statistics of the episode level over steps; here they are
    over trajectories, as everywhere.
    """

    decay: float = 0.1
    """delta in (0, 1]: what a step farther from success is worth less (the paper's omega)."""
    step_weight: float = 1.0
    """omega >= 0: weight of the step-level advantage."""
    normalize: Normalize = "std"
    """Whether to divide both levels by their groups' standard deviation ("std") or not ("mean")."""
    invalid_action_penalty: float = 0.1
    """c >= 0: what an invalid action costs the step that made it, at the episode level."""

    def __post_init__(self) -> None:
        check_range("decay", self.decay, 0.0, 1.0, above=True)
        check_finite("step_weight", self.step_weight, 0.0)
        check_choice("normalize", self.normalize, get_args(Normalize))
        check_finite("invalid_action_penalty", self.invalid_action_penalty, 0.0)

    def __call__(self, steps: Steps) -> Credit:
        """Return the advantages of `steps`, episode and step level."""
        transitions = transitions_of(steps)
        return combine(
            steps,
            episode=episode_advantages(steps, self.normalize, self.invalid_action_penalty),
            step=self.step_advantages(transitions),
            step_weight=self.step_weight,
            states=transitions.states,
        )

    def step_advantages(self, transitions: Transitions) -> Floats:
        """A^S (N,)."""
        distance, beyond = success_distances(transitions)
        after = transitions.value_after(distance, elsewhere=beyond)
        reward = _SUCCESS_REWARD * self.decay**after
        return relative(reward, transitions.states.of_step, self.normalize, sample=True)
