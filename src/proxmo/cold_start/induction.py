"""An induction circuit in the initial weights of a small Llama, so that it begins by copying.

An agent says what it has read: it copies. A transformer does so with two heads, of which each is
useless without the other: one tells every token what stood before it, a later one looks for the
tokens before which the present token stood, and says them (Elhage et al. 2021; Olsson et al. 2022).
Training finds the pair suddenly, and after more text than a cold start reads.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from transformers import LlamaForCausalLM

_CONSTANT = 4.0
"""Of every embedding's first entry, in units of the others' size: what positions alone ask by."""
_FAST = 12
"""Rotary frequencies, from the fastest, by which a head finds the token before."""
_SLOW = 16
"""The first rotary frequency slow enough to compare contents with: it turns little in a text."""
_LOOK_BACK, _MATCH = 8.0, 20.0
"""By how much the token before, and a match, outweigh others in attention, in nats."""
_WRITTEN = 2.0
"""Size of what a head writes, in units of an embedding's."""


@torch.no_grad()
def lay_induction(model: LlamaForCausalLM) -> None:
    """Let the first head of the first two layers copy, and everything else begin by adding nothing.

    The layers need a single group of keys and values. What the first head writes has the last
    entries of the residual stream, as many as a head has, to itself; embeddings begin with 0 there.
    """
    layers: Any = model.model.layers
    first, second = layers[0].self_attn, layers[1].self_attn
    embedding: Any = model.get_input_embeddings().weight
    width, dim = embedding.shape[1], first.head_dim
    assert first.config.num_key_value_heads == 1, "heads do not share their keys"
    own = torch.arange(width - dim, width)
    size = float(embedding.std())

    embedding[:, 0] = 0.0
    embedding[:, own] = 0.0
    norms = embedding.norm(dim=1, keepdim=True).clamp(min=1e-9)
    embedding.mul_(size * math.sqrt(width) / norms)
    embedding[:, 0] = _CONSTANT * size
    for layer in layers:
        layer.self_attn.o_proj.weight.zero_()
        layer.mlp.down_proj.weight.zero_()

    # Attention falls with cos(angle * (distance - 1)): it is highest one token back.
    angles: Any = model.model.rotary_emb.inv_freq[:_FAST]
    real, imaginary = torch.arange(_FAST), dim // 2 + torch.arange(_FAST)
    after_norm = _CONSTANT / math.sqrt(1 + _CONSTANT**2 / width)
    fall = float((1 - angles.cos()).sum())
    strength = math.sqrt(_LOOK_BACK * math.sqrt(dim) / fall) / after_norm
    first.q_proj.weight[:dim] = 0.0
    first.q_proj.weight[real, 0] = strength
    first.k_proj.weight[torch.cat([real, imaginary])] = 0.0
    first.k_proj.weight[real, 0] = strength * angles.cos()
    first.k_proj.weight[imaginary, 0] = strength * angles.sin()
    contents = _orthonormal(dim, width)
    first.v_proj.weight.copy_(contents)
    first.o_proj.weight[own, torch.arange(dim)] = _WRITTEN * size

    # The present token's contents against those that the first head wrote.
    slow = torch.cat([torch.arange(_SLOW, dim // 2), torch.arange(dim // 2 + _SLOW, dim)])
    strength = math.sqrt(_MATCH * math.sqrt(dim) / len(slow))
    second.q_proj.weight[:dim] = 0.0
    second.q_proj.weight[slow] = strength * contents[slow]
    second.k_proj.weight[slow] = 0.0
    second.k_proj.weight[slow, own[slow]] = strength / _WRITTEN
    said = _orthonormal(dim, width)
    second.v_proj.weight.copy_(said)
    second.o_proj.weight[:, :dim] = _WRITTEN * size * said.T


def _orthonormal(dim: int, width: int) -> torch.Tensor:
    """Random orthonormal rows (dim, width) that read an embedding's own entries."""
    rows = torch.zeros(dim, width)
    free = width - dim - 1
    rows[:, 1 : 1 + free] = torch.linalg.qr(torch.randn(free, free))[0][:dim]
    return rows
