"""Soft baselines: a step is compared with its group's steps, the more alike the more."""

from __future__ import annotations

import warnings

import numpy as np
from scipy.special import rel_entr

from proxmo.credit.similarity import Kernel
from proxmo.credit.states import States
from proxmo.credit.steps import Floats, Ints
from proxmo.errors import ProxmoWarning

_PAIRS = 10**10
"""Pairs of states beyond which a batch takes many minutes: about 2 * 10^7 a second."""
BLOCK = 2**22
"""Similarities held at once, about 100 MB with the temporaries."""


def soft_weights(similarity: Floats, count: Ints | Floats, temperature: float) -> Floats:
    """Share of each state in the baseline of another: w_ab = n_b exp(S_ab / tau) / Z_a.

    `similarity` is (A, B), `count` (B,) the number of steps in each state, or (A, B) where it
    depends on who asks; rows sum to 1.
    As tau -> infinity w_ab = n_b / n; as tau -> 0 only the most similar states remain.
    """
    # The largest is subtracted before dividing, so that no tau can overflow.
    logits = (similarity - similarity.max(axis=1, keepdims=True)) / temperature
    weights = np.exp(logits) * count
    return weights / weights.sum(axis=1, keepdims=True)


def effective_neighbours(weights: Floats, count: Ints | Floats) -> Floats:
    """Number of equally weighted steps with the same entropy: exp(H), (A,).

    Each of the n_b steps of a state carries w_ab / n_b, so H = - sum_b w_ab ln(w_ab / n_b).
    `count` is (B,) or (A, B), as in `soft_weights`.
    """
    return np.exp(-rel_entr(weights, count.astype(np.float64)).sum(axis=1))


def soft_baselines(
    returns: Floats, states: States, kernel: Kernel, temperature: float
) -> tuple[Floats, Floats]:
    """Similarity-weighted mean return of the steps of the group, the step itself included.

        b_it = sum_{(j,k) in g} softmax_{(j,k)}(S(o_it, o_jk) / tau) G_jk

    `returns` is (N,). Worked out per distinct state, weighted by how often it occurs.
    Returns the baselines (N,) and the effective number of neighbours (N,). A group with
    one state gets its mean; a group of one step its own return.
    """
    warn_of_size(np.diff(states.bounds), np.diff(states.bounds))
    means = states.mean(returns)  # (S,)
    baselines, neighbours = np.empty_like(means), np.empty_like(means)
    for start, end in zip(states.bounds[:-1], states.bounds[1:], strict=True):
        text, count = states.text[start:end], states.count[start:end]
        rows = max(1, BLOCK // (end - start))
        for low in range(start, end, rows):
            high = min(low + rows, end)
            weights = soft_weights(kernel(states.text[low:high], text), count, temperature)
            baselines[low:high] = weights @ means[start:end]
            neighbours[low:high] = effective_neighbours(weights, count)
    return baselines[states.of_step], neighbours[states.of_step]


def warn_of_size(rows: Ints, columns: Ints) -> None:
    """Warn where groups are so large that comparing all their states takes very long.

    Per group `rows` (G,) of things, each compared with `columns` (G,) distinct states.
    """
    sizes = columns.astype(np.float64)
    if (pairs := float((rows * sizes).sum())) > _PAIRS:
        warnings.warn(
            f"{pairs:.1g} pairs of states are compared, which takes about "
            f"{pairs / 1.2e9:,.0f} minutes: the largest group has {sizes.max():,.0f} distinct "
            "states. A group is the trajectories of one task; give each task a group of its own",
            ProxmoWarning,
            stacklevel=5,  # whoever called the estimator
        )
