"""Credit from values that agree with themselves: Bellman's equation on a group's own states.

CRBC (arXiv 2609.35082) and GraphHCA (September 2026) solve it where states are equal texts; with
ProxMO's weights instead, states that are alike share what they are worth.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from scipy.sparse import csc_matrix, identity
from scipy.sparse.linalg import spsolve

from proxmo.credit.groups import relative
from proxmo.credit.options import check_choice, check_finite, check_range
from proxmo.credit.result import Credit, combine
from proxmo.credit.returns import charge_invalid
from proxmo.credit.similarity import Embedding, Kernel, SimilarityName, similarity_from
from proxmo.credit.soft import soft_weights
from proxmo.credit.steps import Floats, Steps
from proxmo.credit.tfidf import WORDS
from proxmo.credit.transitions import Transitions, transitions_of

BellmanForm = Literal["difference", "log"]
"""`difference`: Q - V; `log`: log max(Q, floor) - log max(V, floor), z-scored per state."""


def bellman_values(transitions: Transitions, rewards: Floats, gamma: float) -> Floats:
    """V(s) = mean over visits of r + gamma V(successor), (S,); one sparse solve for all groups.

    `rewards` (S,) is the mean reward of each state's steps. Ends are worth 0, and every
    trajectory has one, so that the solution is unique, also for gamma = 1.
    """
    system = csc_matrix(identity(transitions.count) - gamma * transitions.shares())
    return np.asarray(spsolve(system, rewards), dtype=np.float64).reshape(-1)


def soft_bellman_values(
    transitions: Transitions, rewards: Floats, gamma: float, kernel: Kernel, temperature: float
) -> Floats:
    """V = W (r + gamma N V), (S,), with ProxMO's weights W between the states of a group.

    N is how often a state led to each other, over its visits. One dense solve per group.
    """
    states = transitions.states
    follow = transitions.shares()
    values = np.empty(transitions.count)
    for low, high in zip(states.bounds[:-1], states.bounds[1:], strict=True):
        text, count = states.text[low:high], states.count[low:high]
        weights = soft_weights(kernel(text, text), count, temperature)
        inner = follow[low:high, low:high].toarray()
        system = np.eye(high - low) - gamma * weights @ inner
        values[low:high] = np.linalg.solve(system, weights @ rewards[low:high])
    return values


@dataclass(frozen=True, slots=True)
class Bellman:
    """Each step by what it changed: A_it = r_it + gamma V(o') - V(o), less its charge.

    V solves Bellman's equation on the group's states: by equal texts, or with a `similarity`, by
    likeness. c [invalid] is charged to its step, against the mean charge of its state.
    """

    gamma: float = 0.95
    """Discount of what follows, in [0, 1]."""
    similarity: SimilarityName | Embedding | None = None
    """None: states are equal texts; else how alike two texts are, as in `ProxMOStep`."""
    temperature: float = 0.1
    """tau > 0, with a similarity: small compares with the most similar states only."""
    form: BellmanForm = "difference"
    """"difference" (CRBC) or "log" (GraphHCA)."""
    floor: float = 0.01
    """Smallest value that the form "log" tells apart, > 0."""
    invalid_action_penalty: float = 0.1
    """c >= 0: what an invalid action costs the step that made it."""

    def __post_init__(self) -> None:
        check_range("gamma", self.gamma, 0.0, 1.0)
        check_range("temperature", self.temperature, 0.0, above=True)
        check_choice("form", self.form, get_args(BellmanForm))
        check_range("floor", self.floor, 0.0, above=True)
        check_finite("floor", self.floor, 0.0)
        check_finite("invalid_action_penalty", self.invalid_action_penalty, 0.0)
        if self.similarity is not None:
            _ = similarity_from(self.similarity, token_pattern=WORDS, max_features=1024)

    def __call__(self, steps: Steps) -> Credit:
        """Return the advantages of `steps`; the episode part is 0."""
        transitions = transitions_of(steps)
        states = transitions.states
        values = self._values(steps, transitions)
        worth = steps.reward + self.gamma * transitions.value_after(values)  # Q of each step
        before = values[states.of_step]
        if self.form == "log":
            gained = np.log(np.maximum(worth, self.floor) / np.maximum(before, self.floor))
            gained = charge_invalid(gained, steps.valid, self.invalid_action_penalty)
            step = relative(gained, states.of_step, "std", sample=True)
        else:
            charge = -charge_invalid(np.zeros(len(steps)), steps.valid, self.invalid_action_penalty)
            step = worth - before - (charge - states.mean(charge)[states.of_step])
        return combine(steps, step=step, states=states)

    def _values(self, steps: Steps, transitions: Transitions) -> Floats:
        rewards = transitions.states.mean(steps.reward)
        if self.similarity is None:
            return bellman_values(transitions, rewards, self.gamma)
        similarity = similarity_from(self.similarity, token_pattern=WORDS, max_features=1024)
        kernel = similarity(steps.texts, np.bincount(steps.text_ids))
        return soft_bellman_values(transitions, rewards, self.gamma, kernel, self.temperature)
