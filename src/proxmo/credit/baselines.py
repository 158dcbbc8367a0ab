"""Where a step-level baseline comes from: which states, and how much each of them counts.

What a method subtracts it works out without looking back; this says the same once more, state
by state, for who wants to see why a step was judged as it was.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from proxmo.credit.gigpo import GiGPO, canonical_rows, similar_clusters
from proxmo.credit.proxmo import ProxMO, ProxMOStep
from proxmo.credit.released import ReleasedProxMO
from proxmo.credit.result import Estimator
from proxmo.credit.returns import step_returns
from proxmo.credit.similarity import Kernel, cosine_kernel
from proxmo.credit.soft import soft_weights
from proxmo.credit.states import States, distinct_states
from proxmo.credit.steps import Floats, Ints, Steps
from proxmo.credit.tfidf import tfidf_vectors


@dataclass(frozen=True, slots=True, eq=False)
class StepBaselines:
    """The step level of a batch, taken apart."""

    returns: Floats
    """(N,) What each step is judged by: G_it - c [invalid]."""
    baseline: Floats
    """(N,) What is subtracted from it."""
    states: States
    """The distinct (group, text) pairs that steps are in."""
    weights: tuple[Floats, ...]
    """Per group, by number: (S_g, S_g), the share of each state (column) in the baseline of each
    other (row); rows sum to 1. A state's share is that of all its steps together."""

    def neighbours(self, row: int) -> list[tuple[int, float]]:
        """The states behind the baseline of step `row`: (state, share), the largest first.

        States are numbered as in `states`; those that count nothing are left out.
        """
        state = int(self.states.of_step[row])
        group = int(np.searchsorted(self.states.bounds, state, "right")) - 1
        start = int(self.states.bounds[group])
        shares = self.weights[group][state - start]
        order = np.argsort(-shares, kind="stable")
        return [(start + int(i), float(shares[i])) for i in order if shares[i] > 0]


def step_baselines(estimator: Estimator, steps: Steps) -> StepBaselines | None:
    """The step-level baselines of `steps` under `estimator`, None where it has no step level.

    GiGPO: the states of a step's anchor group, by their number of steps. ProxMO: all
    states of its group, by likeness. The weights of a group of S states take S x S numbers:
    for a batch with very large groups, give one group at a time - but then TF-IDF is
    fitted on that group alone, and its weights are no longer those of training.
    """
    states = distinct_states(steps)
    if isinstance(estimator, ProxMO):
        estimator = estimator.step_level
    if isinstance(estimator, ProxMOStep):
        kernel = estimator.text_similarity(steps.texts, np.bincount(steps.text_ids))
        weights = _soft(states, kernel, estimator.temperature)
    elif isinstance(estimator, GiGPO):
        rows = canonical_rows(steps)
        weights = _anchors(steps, states, estimator.similarity_threshold, rows)
    elif isinstance(estimator, ReleasedProxMO) and estimator.mode != "soft":
        rows = np.arange(len(steps))
        weights = _anchors(steps, states, estimator.similarity_threshold, rows)
    elif isinstance(estimator, ReleasedProxMO):
        vectors = tfidf_vectors(steps.texts, np.bincount(steps.text_ids))
        if vectors.nnz == 0:
            return None  # the released code then has no step level
        weights = _soft(states, cosine_kernel(vectors), estimator.temperature)
    else:
        return None
    returns = step_returns(steps, estimator.gamma, estimator.invalid_action_penalty)
    means = states.mean(returns)
    bounds = zip(states.bounds[:-1], states.bounds[1:], strict=True)
    parts = [w @ means[low:high] for w, (low, high) in zip(weights, bounds, strict=True)]
    return StepBaselines(returns, np.concatenate(parts)[states.of_step], states, weights)


def _soft(states: States, kernel: Kernel, temperature: float) -> tuple[Floats, ...]:
    return tuple(
        soft_weights(
            kernel(states.text[low:high], states.text[low:high]),
            states.count[low:high],
            temperature,
        )
        for low, high in zip(states.bounds[:-1], states.bounds[1:], strict=True)
    )


def _anchors(
    steps: Steps, states: States, threshold: float | None, rows: Ints
) -> tuple[Floats, ...]:
    """Weights of anchor groups: each state of the group by its number of steps."""
    cluster = np.arange(len(states.text))
    if threshold is not None:
        cluster[states.of_step] = similar_clusters(steps, states, threshold, rows)
    weights = []
    for low, high in zip(states.bounds[:-1], states.bounds[1:], strict=True):
        own = cluster[low:high]
        shares = (own[:, None] == own[None, :]) * states.count[low:high].astype(np.float64)
        weights.append(shares / shares.sum(axis=1, keepdims=True))
    return tuple(weights)
