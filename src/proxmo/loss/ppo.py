"""PPO's clipped surrogate."""

from __future__ import annotations

import torch
from torch import Tensor


def ppo_clip(
    logprobs: Tensor, old_logprobs: Tensor, advantages: Tensor, low: float, high: float
) -> Tensor:
    """PPO's clipped surrogate, to be minimised: -min(r A, clip(r, 1 - low, 1 + high) A).

    All (tokens,), r = exp(logprobs - old_logprobs). Schulman et al. 2017, equation 7, with
    a range of its own on either side.
    """
    ratio = (logprobs - old_logprobs).exp()
    return -torch.minimum(ratio * advantages, ratio.clamp(1 - low, 1 + high) * advantages)
