"""PPO's clipped surrogate."""

from __future__ import annotations

import torch
from torch import Tensor

from proxmo.loss.shapes import require_tokens


def ppo_clip(
    logprobs: Tensor, old_logprobs: Tensor, advantages: Tensor, low: float, high: float
) -> Tensor:
    """PPO's clipped surrogate, to be minimised: -min(r A, clip(r, 1 - low, 1 + high) A).

    All (tokens,), r = exp(logprobs - old_logprobs). Schulman et al. 2017, equation 7, with
    a range of its own on either side. Raises `InputError` where shapes differ.
    """
    require_tokens(logprobs=logprobs, old_logprobs=old_logprobs, advantages=advantages)
    ratio = (logprobs - old_logprobs).exp()
    return -torch.minimum(ratio * advantages, ratio.clamp(1 - low, 1 + high) * advantages)


def outside_clip(logprobs: Tensor, old_logprobs: Tensor, low: float, high: float) -> Tensor:
    """Whether r lies outside [1 - low, 1 + high], (tokens,): its share is the clip fraction."""
    require_tokens(logprobs=logprobs, old_logprobs=old_logprobs)
    ratio = (logprobs - old_logprobs).exp()
    return (ratio < 1 - low) | (ratio > 1 + high)
