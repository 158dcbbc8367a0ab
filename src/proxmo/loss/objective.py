"""What an update minimises: PPO's surrogate and the distance from the start, mean over tokens."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from proxmo.loss.kl import k3_kl
from proxmo.loss.ppo import outside_clip, ppo_clip


@dataclass(frozen=True, slots=True)
class Objective:
    """The objective of some tokens, as sums over them, so that parts of a batch add up."""

    total: Tensor
    """() Sum of loss and weighted KL, to be differentiated once divided by the batch's tokens."""
    figures: Tensor
    """(5,) Sums to log, without a gradient: see `FIGURES`."""


FIGURES = ("tokens", "loss", "kl", "clip_fraction", "entropy")
"""How many tokens; sums over them of the loss with its KL term, of KL, of tokens outside the clip
range, and of -log p, whose mean over sampled tokens estimates the policy's entropy."""


def objective(
    logprobs: Tensor,
    old_logprobs: Tensor,
    advantages: Tensor,
    reference_logprobs: Tensor | None = None,
    *,
    clip_low: float = 0.2,
    clip_high: float = 0.2,
    kl_weight: float = 0.0,
) -> Objective:
    """Sum over tokens of -min(r A, clip(r, 1 - low, 1 + high) A) + beta k3.

    All (tokens,): log-probabilities now, when the tokens were sampled, under the starting policy;
    the advantage of each token's step. The loss of a batch is the sum of its parts' `total` over
    the number of its tokens: every token counts the same, whatever its sequence, micro-batch or
    process. Without `reference_logprobs` there is no KL term. Raises `InputError` where shapes
    differ.
    """
    loss = ppo_clip(logprobs, old_logprobs, advantages, clip_low, clip_high)
    kl = torch.zeros_like(logprobs)
    if reference_logprobs is not None:
        kl = k3_kl(logprobs, reference_logprobs)
        loss = loss + kl_weight * kl
    with torch.no_grad():
        outside = outside_clip(logprobs, old_logprobs, clip_low, clip_high)
        sums = [loss.sum(), kl.sum(), outside.sum(), -logprobs.sum()]
        count = torch.tensor(float(len(logprobs)), device=logprobs.device)
        figures = torch.stack([count, *(part.float() for part in sums)]).double()
    return Objective(loss.sum(), figures)


def means(figures: Tensor) -> dict[str, float]:
    """Sums over the tokens of a batch -> figures of a token, but for their number."""
    tokens, *sums = figures.tolist()
    named = zip(FIGURES[1:], sums, strict=True)
    return {name: part / tokens for name, part in named} | {"tokens": tokens}
