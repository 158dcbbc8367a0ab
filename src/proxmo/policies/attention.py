"""Attention for CPUs, in place of PyTorch's fused kernel there: half its time, more in decoding.

The fused kernel copies the keys of grouped heads once per query head, and multiplies small tiles
where the CPU has faster instructions for large ones. Here queries that share keys stand below
one another in one product, and a block of queries multiplies all keys that it may see.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

CPU_ATTENTION = "proxmo_cpu"
"""Its name among the attention implementations of Transformers."""

_BLOCK = 128
"""Queries of one product: bounds the memory of the scores, and skips most keys to come."""

_KEPT = 2**25
"""Most scores that are kept for the backward pass, 64 MB a layer in bfloat16. The fused kernel,
which keeps none, takes sequences that would have more."""

_SPECIAL = ("softcap", "s_aux", "sliding_window", "position_bias")
"""What some models ask of attention beside the mask."""


def grouped_attention(
    queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None, scale: float
) -> Tensor:
    """softmax(scale Q K^T) V for grouped heads, (rows, heads, tokens, width of a value).

    `queries` are (rows, heads, tokens, dim), `keys` (rows, groups, slots, dim), `values` (rows,
    groups, slots, width); heads of a group are neighbours. `mask`
    (rows, 1, tokens, slots) is true where a query may look. Without one, there must be as many
    slots as tokens, and each looks at itself and those before it. A query that may look nowhere
    gets the mean of the values.
    """
    rows, heads, tokens, dim = queries.shape
    groups, slots = keys.shape[1], keys.shape[2]
    assert mask is not None or tokens == slots, f"{tokens} tokens, {slots} slots and no mask"
    queries = (queries * scale).view(rows, groups, heads // groups, tokens, dim)
    blocks = []
    for first in range(0, tokens, _BLOCK):
        last = min(first + _BLOCK, tokens)
        seen = last if tokens == slots else slots  # when all is new, none looks behind itself
        block = queries[:, :, :, first:last].reshape(rows, groups, -1, dim)
        scores = block @ keys[:, :, :seen].transpose(-1, -2)
        hidden = _later(first, last, seen) if mask is None else ~mask[:, :, None, first:last, :seen]
        # Not minus infinity, which makes NaN of a query that may look nowhere.
        bias = torch.zeros(hidden.shape, dtype=scores.dtype)
        bias.masked_fill_(hidden, torch.finfo(scores.dtype).min)
        scores.view(rows, groups, -1, last - first, seen).add_(bias)
        attended = scores.softmax(-1) @ values[:, :, :seen]
        blocks.append(attended.view(rows, groups, heads // groups, last - first, -1))
    return torch.cat(blocks, dim=3).view(rows, heads, tokens, -1)


def _later(first: int, last: int, seen: int) -> Tensor:
    """True where a slot comes after the query, (queries, slots)."""
    return torch.ones(last - first, seen, dtype=torch.bool).triu(first + 1)


def _forward(
    module: torch.nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    is_causal: bool | None = None,
    **kwargs: Any,
) -> tuple[Tensor, None]:
    """As Transformers calls it; what is out of the ordinary goes to the fused kernel."""
    ordinary = (
        query.device.type == "cpu"
        and dropout == 0.0
        and is_causal is not False
        and getattr(module, "is_causal", True)
        and not any(kwargs.get(name) is not None for name in _SPECIAL)
        and (attention_mask is None or attention_mask.dtype == torch.bool)
        and (attention_mask is None or attention_mask.shape[1] == 1)
        and (attention_mask is not None or query.shape[2] == key.shape[2])
        and not (torch.is_grad_enabled() and query[..., 0].numel() * key.shape[2] > _KEPT)
    )
    if not ordinary:
        return sdpa_attention_forward(
            module,
            query,
            key,
            value,
            attention_mask,
            dropout=dropout,
            scaling=scaling,
            is_causal=is_causal,
            **kwargs,
        )
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    attended = grouped_attention(query, key, value, attention_mask, scale)
    return attended.transpose(1, 2).contiguous(), None


AttentionInterface.register(CPU_ATTENTION, _forward)
AttentionMaskInterface.register(CPU_ATTENTION, sdpa_mask)
