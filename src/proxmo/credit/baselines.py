"""Where a step-level baseline comes from: which states, and how much each of them counts.

What a method subtracts it works out without looking back; this says the same once more, state
by state, for who wants to see why a step was judged as it was.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from proxmo.credit.gigpo import GiGPO, canonical_rows, similar_clusters
from proxmo.credit.others import Visits, others_baselines, others_weights, visits_of
from proxmo.credit.proxmo import ProxMO, ProxMOStep
from proxmo.credit.released import ReleasedProxMO
from proxmo.credit.result import Estimator
from proxmo.credit.returns import step_returns
from proxmo.credit.similarity import Kernel, cosine_kernel
from proxmo.credit.soft import soft_baselines, soft_weights
from proxmo.credit.states import States, distinct_states
from proxmo.credit.steps import Floats, Ints, Steps
from proxmo.credit.tfidf import tfidf_vectors


@dataclass(frozen=True, slots=True, eq=False)
class StepBaselines:
    """The step level of a batch, taken apart."""

    returns: Floats
    """(N,) What each step is judged by: G_it - c [invalid]; with ProxMO's `lam` below 1 the
    lambda-return, which looks a few steps ahead and takes values for the rest."""
    baseline: Floats
    """(N,) What is subtracted from it."""
    compared: Floats
    """(N,) What the baseline is a mean of: G_it - c [invalid], whatever `lam` is."""
    states: States
    """The distinct (group, text) pairs that steps are in."""
    weights: tuple[Floats, ...]
    """Per group, by number: (rows, S_g), the share of each state (column) in a baseline. A state's
    share is that of all its steps together. There is a row per state of the group; with
    `leave_one_out` one per state and trajectory, without the trajectory's own steps. Rows sum to 1,
    or are 0 where there is nothing to compare with."""
    places: Ints
    """(N,) The row of its group's weights that each step's baseline comes from."""

    def neighbours(self, row: int) -> list[tuple[int, float]]:
        """The states behind the baseline of step `row`: (state, share), the largest first.

        States are numbered as in `states`; those that count nothing are left out.
        """
        state = int(self.states.of_step[row])
        group = int(np.searchsorted(self.states.bounds, state, "right")) - 1
        start = int(self.states.bounds[group])
        shares = self.weights[group][self.places[row]]
        order = np.argsort(-shares, kind="stable")
        return [(start + int(i), float(shares[i])) for i in order if shares[i] > 0]


def step_baselines(estimator: Estimator, steps: Steps) -> StepBaselines | None:
    """The step-level baselines of `steps` under `estimator`, None where it has no step level.

    GiGPO: the states of a step's anchor group, by their number of steps. ProxMO: all
    states of its group, by likeness, each as far as other trajectories were in it where the own is
    left out. The weights of a group of S states take S x S numbers:
    for a batch with very large groups, give one group at a time - but then TF-IDF is
    fitted on that group alone, and its weights are no longer those of training.
    """
    states = distinct_states(steps)
    if isinstance(estimator, ProxMO):
        estimator = estimator.step_level
    if isinstance(estimator, ProxMOStep):
        return _proxmo(estimator, steps, states)
    if isinstance(estimator, GiGPO):
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
    baseline = np.concatenate(parts)[states.of_step]
    return StepBaselines(returns, baseline, returns, states, weights, _places(steps, states))


def _proxmo(method: ProxMOStep, steps: Steps, states: States) -> StepBaselines:
    """ProxMO's; how far its returns look ahead depends on lam, and the advantages tell it."""
    kernel = method.text_similarity(steps.texts, np.bincount(steps.text_ids))
    compared = step_returns(steps, method.gamma, method.invalid_action_penalty)
    if method.leave_one_out:
        visits = visits_of(steps, states)
        weights = _others(states, visits, kernel, method.temperature)
        places = visits.of_step - visits.bounds[steps.group_ids]
        baseline, _ = others_baselines(compared, states, visits, kernel, method.temperature)
    else:
        weights = _soft(states, kernel, method.temperature)
        places = _places(steps, states)
        baseline, _ = soft_baselines(compared, states, kernel, method.temperature)
    advantages, _ = method.advantages(steps, states)
    return StepBaselines(advantages + baseline, baseline, compared, states, weights, places)


def _places(steps: Steps, states: States) -> Ints:
    """Each step's state, numbered from 0 within its group."""
    return states.of_step - states.bounds[steps.group_ids]


def _others(
    states: States, visits: Visits, kernel: Kernel, temperature: float
) -> tuple[Floats, ...]:
    """Per group, the shares of its states in the baseline of each visit."""
    weights = tuple(
        np.zeros((rows, columns))
        for rows, columns in zip(np.diff(visits.bounds), np.diff(states.bounds), strict=True)
    )
    for block in others_weights(states, visits, kernel, temperature):
        group = int(np.searchsorted(visits.bounds, block.visits.start, "right")) - 1
        first = int(visits.bounds[group])
        weights[group][block.visits.start - first : block.visits.stop - first] = block.shares
    return weights


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
