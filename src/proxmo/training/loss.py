"""The loss, from log-probabilities: pure functions of flat arrays, one entry per token."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from proxmo.training.rows import Batch


def response_logprobs(model: Any, batch: Batch, temperature: float = 1.0) -> Tensor:
    """Log-probability of every response token given all before it, (response tokens,).

    `model` is a causal language model of Transformers, with or without PEFT's adapters.

    Row by row, in the order of `tensor[batch.response_mask]`, under
    softmax(logits / temperature). Only positions that predict a response token go through the
    model's last layer: most of an agent's dialogue is the environment's, and with a large
    vocabulary the logits of a batch are its largest tensor.
    """
    assert not batch.response_mask[:, 0].any(), "a response token needs one before it"
    targets = batch.response_mask[:, 1:]
    with _last_layer_at(model, targets):
        logits = model(input_ids=batch.input_ids, use_cache=False).logits[0]
    chosen = batch.input_ids[:, 1:][targets]
    return -F.cross_entropy(logits.float() / temperature, chosen, reduction="none")


@contextmanager
def _last_layer_at(model: Any, positions: Tensor) -> Iterator[None]:
    """Inside this `with`, logits are (1, count, vocabulary): those where `positions` is true.

    `positions` (rows, tokens - 1) leaves out the last token, which predicts nothing. What a
    model does to its logits after the last layer, such as scaling, applies as ever.
    """

    def select(_: nn.Module, inputs: tuple[Tensor]) -> tuple[Tensor]:
        return (inputs[0][:, :-1][positions][None],)

    hook = model.get_output_embeddings().register_forward_pre_hook(select)
    try:
        yield
    finally:
        hook.remove()


def ppo_clip(
    logprobs: Tensor, old_logprobs: Tensor, advantages: Tensor, low: float, high: float
) -> Tensor:
    """PPO's clipped surrogate, to be minimised: -min(r A, clip(r, 1 - low, 1 + high) A).

    All (tokens,), r = exp(logprobs - old_logprobs). Schulman et al. 2017, equation 7, with
    a range of its own on either side.
    """
    ratio = (logprobs - old_logprobs).exp()
    return -torch.minimum(ratio * advantages, ratio.clamp(1 - low, 1 + high) * advantages)


def k3_kl(logprobs: Tensor, reference_logprobs: Tensor) -> Tensor:
    """Schulman's k3 estimate of KL(policy || reference): exp(d) - 1 - d, d = ref - logprob.

    (tokens,), each >= 0, unbiased for tokens that the policy sampled.
    """
    difference = reference_logprobs - logprobs
    return difference.exp() - 1 - difference
