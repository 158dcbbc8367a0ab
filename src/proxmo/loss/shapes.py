"""One entry per token, everywhere: what only looks alike would be broadcast without a word."""

from __future__ import annotations

from torch import Tensor

from proxmo.errors import InputError


def require_tokens(**tensors: Tensor) -> None:
    """Raise `InputError` unless all tensors are (tokens,), and as many."""
    shapes = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    if len(set(shapes.values())) > 1 or any(len(shape) != 1 for shape in shapes.values()):
        told = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
        raise InputError(f"shapes differ or are not (tokens,): {told}; give one entry per token")
