"""The forward pass that learning needs: log-probabilities of tokens that were said."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn


def response_logprobs(
    model: Any, input_ids: Tensor, response_mask: Tensor, temperature: float = 1.0
) -> Tensor:
    """Log-probability of every response token given all before it, (response tokens,).

    `model` is a causal language model of Transformers, with or without PEFT's adapters;
    `input_ids` and `response_mask`, true at response tokens, are (rows, tokens).

    Row by row, in the order of `tensor[response_mask]`, under
    softmax(logits / temperature). Only positions that predict a response token go through the
    model's last layer: most of an agent's dialogue is the environment's, and with a large
    vocabulary the logits of a batch are its largest tensor.
    """
    assert not response_mask[:, 0].any(), "a response token needs one before it"
    targets = response_mask[:, 1:]
    with _last_layer_at(model, targets):
        logits = model(input_ids=input_ids, use_cache=False).logits[0]
    chosen = input_ids[:, 1:][targets]
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
