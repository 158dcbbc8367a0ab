"""Estimates of the distance from the starting policy."""

from __future__ import annotations

from torch import Tensor

from proxmo.loss.shapes import require_tokens


def k3_kl(logprobs: Tensor, reference_logprobs: Tensor) -> Tensor:
    """Schulman's k3 estimate of KL(policy || reference): exp(d) - 1 - d, d = ref - logprob.

    (tokens,), each >= 0, unbiased for tokens that the policy sampled. Raises `InputError` where
    shapes differ.
    """
    require_tokens(logprobs=logprobs, reference_logprobs=reference_logprobs)
    difference = reference_logprobs - logprobs
    return difference.exp() - 1 - difference
