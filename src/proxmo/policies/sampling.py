"""From logits to tokens, each row with its own random stream."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch


def sample(
    logits: torch.Tensor, draws: np.ndarray | None, temperature: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """One token a row and its log-probability, both (rows,).

    Inverse-CDF sampling by the uniform numbers `draws` (rows,) in [0, 1), or the most
    likely token when there are none. Log-probabilities are those of
    softmax(logits / temperature) in either case.
    """
    logprobs = torch.log_softmax(logits.float() / temperature, dim=-1)
    if draws is None:
        tokens = logprobs.argmax(dim=-1, keepdim=True)
    else:
        cumulative = logprobs.double().exp().cumsum(dim=-1)
        # The sum may fall short of 1 by rounding; scaling keeps the last token reachable.
        targets = torch.from_numpy(draws).to(logits.device)[:, None] * cumulative[:, -1:]
        tokens = torch.searchsorted(cumulative, targets, right=True)
        tokens = tokens.clamp(max=logits.shape[-1] - 1)
    return tokens[:, 0], logprobs.gather(1, tokens)[:, 0]


def decode(
    logits: torch.Tensor,
    advance: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
    rngs: Sequence[np.random.Generator],
    *,
    limits: Sequence[int],
    end_ids: frozenset[int],
    temperature: float,
    greedy: bool,
) -> list[tuple[list[int], list[float]]]:
    """Sample every row until it ends its turn or reaches its limit.

    `logits` (rows, vocabulary) predict the first token; `advance(tokens, alive)` feeds one
    token a row to the model and gives the next logits, `alive` (rows,) saying which rows
    still speak. Returns each row's tokens, the ending one included, and log-probabilities.
    """
    said: list[tuple[list[int], list[float]]] = [([], []) for _ in rngs]
    alive = np.ones(len(rngs), dtype=bool)
    while True:
        draws = None if greedy else _draw(rngs, alive)
        tokens, logprobs = sample(logits, draws, temperature)
        spoken, scores = tokens.tolist(), logprobs.tolist()
        for row in np.flatnonzero(alive).tolist():
            token = spoken[row]
            said[row][0].append(token)
            said[row][1].append(scores[row])
            alive[row] = token not in end_ids and len(said[row][0]) < limits[row]
        if not alive.any():
            return said
        logits = advance(tokens, torch.from_numpy(alive.copy()).to(tokens.device))


def _draw(rngs: Sequence[np.random.Generator], alive: np.ndarray) -> np.ndarray:
    return np.array(
        [rng.random() if lives else 0.5 for rng, lives in zip(rngs, alive, strict=True)]
    )
