"""One policy update: from rows to new weights."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor, nn

from proxmo.config import OptimConfig
from proxmo.errors import ProxmoError
from proxmo.loss.objective import FIGURES, Objective, means, objective
from proxmo.policies.transformers import TransformersPolicy
from proxmo.policies.transformers.logprobs import response_logprobs
from proxmo.training.rows import Batch, Row, SharedRow, micro_batches, shared

MICRO_BATCH_TOKENS = {"cpu": 2048, "cuda": 16384}
"""Padded tokens of a forward-backward pass by kind of device. What a CPU works on should stay
in its caches: with 16,384 the built-in policy's update takes a quarter longer."""


def update_policy(
    policy: TransformersPolicy,
    optimizer: torch.optim.Optimizer,
    accelerator: Accelerator,
    rows: Sequence[Row],
    config: OptimConfig,
    *,
    temperature: float,
    seed: Sequence[int],
    on_progress: Callable[[int, int], None] | None = None,
) -> dict[str, float]:
    """Fit the policy to `rows`, those of all processes, of which this one takes its share.

    `epochs` passes of `minibatches` optimizer steps each. The loss of a step is the mean
    over all its response tokens, whatever sequence, micro-batch or process they are in; rows of a
    step that repeat each other are read once and share their gradient.
    Returns metrics `optim/...`, the same on every process.

    Raises `ProxmoError` when no step could be taken, or weights are not finite any more.
    """
    rng = np.random.default_rng(seed)
    limit = config.micro_batch_tokens or MICRO_BATCH_TOKENS[policy.device.type]
    figures = torch.zeros(len(FIGURES), dtype=torch.float64, device=policy.device)
    norms, read, done = [], 0, 0
    for _ in range(config.epochs):
        order = rng.permutation(len(rows)) if config.minibatches > 1 else np.arange(len(rows))
        for chosen in np.array_split(order, min(config.minibatches, len(rows))):
            minibatch = [rows[index] for index in chosen]
            tokens = sum(int(row.response_mask.sum()) for row in minibatch)
            own = _share(shared(minibatch), accelerator)
            for batch in micro_batches(own, limit):
                part = _objective(policy, batch.to(policy.device), config, temperature)
                (part.total / tokens).backward()
                figures += part.figures
                read += len(batch.input_ids)
                done += batch.rows
                if on_progress is not None:
                    total = config.epochs * len(rows) // accelerator.num_processes
                    on_progress(min(done, total), total)
            norms.append(step(optimizer, accelerator, config.max_grad_norm))
    _require_finite(policy, norms)
    return _metrics(figures, norms, accelerator) | {
        "optim/repeated_rows": _repeated(read, done, accelerator)
    }


def step(optimizer: torch.optim.Optimizer, accelerator: Accelerator, max_norm: float) -> float:
    """Sum the gradients over processes, clip them and take a step; the norm before clipping.

    No step is taken when the norm is not finite: it would ruin every weight.
    """
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    sum_gradients(parameters, accelerator)
    norm = float(torch.nn.utils.clip_grad_norm_(parameters, max_norm))
    if math.isfinite(norm):
        optimizer.step()
    optimizer.zero_grad()
    return norm


def sum_gradients(parameters: Sequence[torch.nn.Parameter], accelerator: Accelerator) -> None:
    """Replace each gradient by its sum over all processes, in one message."""
    for parameter in parameters:
        if parameter.grad is None:  # a process that had no row
            parameter.grad = torch.zeros_like(parameter)
    if accelerator.num_processes == 1:
        return
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    flat = accelerator.reduce(torch.cat([g.flatten() for g in gradients]), "sum")
    assert isinstance(flat, Tensor)
    for gradient, total in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
        gradient.copy_(total.view_as(gradient))


def _share(rows: Sequence[SharedRow], accelerator: Accelerator) -> list[SharedRow]:
    """This process's rows: every n-th by length, so that all have about as much to do."""
    return sorted(rows, key=len)[accelerator.process_index :: accelerator.num_processes]


def _objective(
    policy: TransformersPolicy, batch: Batch, config: OptimConfig, temperature: float
) -> Objective:
    """The objective of the batch's response tokens, ready to be differentiated."""

    def logprobs_under(model: nn.Module) -> Tensor:
        read = response_logprobs(model, batch.input_ids, batch.response_mask, temperature)
        return read[batch.place]

    with policy.learning():
        logprobs = logprobs_under(policy.model)
        reference = None
        if config.kl > 0:
            with torch.no_grad(), policy.reference() as start:
                reference = logprobs_under(start)
    return objective(
        logprobs,
        batch.old_logprobs,
        batch.advantages,
        reference,
        clip_low=config.clip_low,
        clip_high=config.clip_high,
        kl_weight=config.kl,
    )


def _require_finite(policy: TransformersPolicy, norms: Sequence[float]) -> None:
    """Raise `ProxmoError` when nothing was learnt from the update, or all was unlearnt."""
    if not any(map(math.isfinite, norms)):
        raise ProxmoError(
            f"no step of the update could be taken: the gradient's norm was {norms[0]} in each of "
            f"{len(norms)}. The policy's numbers overflow; go on from an earlier checkpoint with "
            "a smaller optim.learning_rate, and look at optim.kl and the rewards"
        )
    trained = [p.detach() for p in policy.model.parameters() if p.requires_grad]
    if not bool(nn.utils.get_total_norm(trained).isfinite()):
        raise ProxmoError(
            "the update left weights that are not finite: optim.learning_rate is too large; start "
            "again with a smaller one"
        )


def _metrics(figures: Tensor, norms: Sequence[float], accelerator: Accelerator) -> dict[str, float]:
    reduced = accelerator.reduce(figures, "sum")
    assert isinstance(reduced, Tensor)
    finite = [norm for norm in norms if math.isfinite(norm)]
    return {f"optim/{name}": value for name, value in means(reduced).items()} | {
        "optim/grad_norm": float(np.mean(finite)),
        "optim/skipped_steps": float(len(norms) - len(finite)),
    }


def _repeated(read: int, rows: int, accelerator: Accelerator) -> float:
    """Share of the rows of all processes that were not read, because another was the same."""
    counts = torch.tensor([float(read), float(rows)], device=accelerator.device)
    reduced = accelerator.reduce(counts, "sum")
    assert isinstance(reduced, Tensor)
    return 1.0 - float(reduced[0] / reduced[1])
