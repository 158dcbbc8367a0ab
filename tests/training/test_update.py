"""An update's gradient is that of the loss, however the rows are cut into batches."""

import dataclasses
import math

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from toy import ToyEnv, ToyTasks

from proxmo.config import OptimConfig, PolicyConfig
from proxmo.credit import ProxMO, Steps
from proxmo.episodes.play import rollout
from proxmo.errors import ProxmoError
from proxmo.policies.transformers import load_policy
from proxmo.training.rows import rows_of, shared
from proxmo.training.update import update_policy


class Recorder(torch.optim.SGD):
    """Keeps the gradients it is given and changes no weight."""

    def __init__(self, policy):
        super().__init__([p for p in policy.model.parameters() if p.requires_grad], lr=1.0)
        self.gradients = []

    def step(self, closure=None):
        self.gradients.append([p.grad.clone() for p in self.param_groups[0]["params"]])


@pytest.fixture
def policy(model):
    policy = load_policy(PolicyConfig(model=str(model), dtype="float32"), trainable=True)
    policy.keep_reference()
    return policy


@pytest.fixture
def rows(policy):
    return played(policy)


def played(policy):
    tasks = [ToyTasks(4)[number] for number in range(4)]
    trajectories = rollout(policy, ToyEnv, tasks, group_size=4, seed=0)
    return rows_of(trajectories, ProxMO()(Steps.from_trajectories(trajectories)).advantage)


def update(policy, rows, optimizer=None, **settings):
    """Metrics and gradients, one list per optimizer step, none clipped."""
    optimizer = optimizer or Recorder(policy)
    settings = {"max_grad_norm": 1e9, "minibatches": 1, **settings}
    metrics = update_policy(
        policy,
        optimizer,
        Accelerator(cpu=True),
        rows,
        OptimConfig(**settings),
        temperature=1.0,
        seed=[0],
    )
    return metrics, optimizer.gradients


def assert_same(ours, theirs):
    assert max(float(gradient.abs().max()) for gradient in theirs) > 1e-3
    for our, their in zip(ours, theirs, strict=True):
        torch.testing.assert_close(our, their, rtol=1e-4, atol=1e-6)


def test_at_the_policy_that_acted_the_gradient_is_the_policy_gradient(policy, rows):
    tokens = sum(row.response_mask.sum() for row in rows)
    loss = torch.zeros(())
    for row in rows:  # one by one, unpadded: -sum(A log p) / tokens
        ids = torch.from_numpy(row.tokens)
        logprobs = policy.model(input_ids=ids[None]).logits[0, :-1].log_softmax(-1)
        own = logprobs[torch.arange(len(ids) - 1), ids[1:]]
        loss = loss - (own * torch.from_numpy(row.advantages[1:])).sum() / tokens
    parameters = [p for p in policy.model.parameters() if p.requires_grad]
    expected = torch.autograd.grad(loss, parameters)
    metrics, (gradient,) = update(policy, rows, kl=0.01)  # the KL penalty is at its minimum, 0
    assert_same(gradient, expected)
    assert metrics["optim/tokens"] == tokens
    assert metrics["optim/kl"] == pytest.approx(0, abs=1e-9)
    assert metrics["optim/clip_fraction"] == 0


@pytest.mark.parametrize("micro_batch_tokens", [1, 40, 100])
def test_the_gradient_does_not_depend_on_the_micro_batch(policy, rows, micro_batch_tokens):
    _, (whole,) = update(policy, rows, micro_batch_tokens=100_000)
    _, (cut,) = update(policy, rows, micro_batch_tokens=micro_batch_tokens)
    assert_same(cut, whole)


def test_gradient_checkpointing_recomputes_and_changes_no_gradient(model, policy, rows):
    frugal = load_policy(
        PolicyConfig(model=str(model), dtype="float32", gradient_checkpointing=True), trainable=True
    )
    frugal.keep_reference()
    passes = []
    layer = frugal.model.model.layers[0].self_attn
    layer.register_forward_pre_hook(lambda *_: passes.append(torch.is_grad_enabled()))
    _, (expected,) = update(policy, rows, micro_batch_tokens=100_000, kl=0)
    _, (gradient,) = update(frugal, rows, micro_batch_tokens=100_000, kl=0)
    assert len(passes) == 2  # once forward, once more in the backward pass
    assert_same(gradient, expected)


def test_kl_is_measured_against_the_starting_policy_and_pulls_back_to_it(policy, rows):
    with torch.no_grad():
        for parameter in policy.model.parameters():
            parameter += 0.02 * torch.randn(
                parameter.shape, generator=torch.Generator().manual_seed(0)
            )
    still = [dataclasses.replace(row, advantages=np.zeros_like(row.advantages)) for row in rows]
    before, (gradient,) = update(policy, still, kl=1.0)
    assert before["optim/kl"] > 1e-3
    assert before["optim/loss"] == pytest.approx(before["optim/kl"])
    steepness = math.sqrt(sum(float((slope**2).sum()) for slope in gradient))
    with torch.no_grad():
        for parameter, slope in zip(policy.model.parameters(), gradient, strict=True):
            parameter -= 0.01 * slope / steepness
    after, _ = update(policy, still, kl=1.0)
    assert after["optim/kl"] < before["optim/kl"]


def test_under_lora_the_reference_is_the_model_without_its_adapters(model):
    policy = load_policy(
        PolicyConfig(model=str(model), dtype="float32", lora_rank=2), trainable=True
    )
    policy.keep_reference()
    rows = played(policy)
    metrics, (gradient,) = update(policy, rows)
    assert metrics["optim/kl"] == pytest.approx(0, abs=1e-9)
    assert len(gradient) == sum("lora_" in name for name, _ in policy.model.named_parameters())
    with torch.no_grad():
        for name, parameter in policy.model.named_parameters():
            if "lora_B" in name:
                parameter += 0.1
    moved, _ = update(policy, rows)
    assert moved["optim/kl"] > 1e-3


@pytest.mark.parametrize(("epochs", "minibatches"), [(1, 1), (1, 3), (2, 4)])
def test_every_epoch_learns_from_every_row_once(policy, rows, epochs, minibatches):
    metrics, gradients = update(policy, rows, epochs=epochs, minibatches=minibatches)
    tokens = sum(int(row.response_mask.sum()) for row in rows)
    assert len(gradients) == epochs * minibatches
    assert metrics["optim/tokens"] == epochs * tokens


def test_the_gradient_is_clipped_to_its_norm(policy, rows):
    metrics, (gradient,) = update(policy, rows, max_grad_norm=0.01)
    norm = math.sqrt(sum(float((g**2).sum()) for g in gradient))
    assert metrics["optim/grad_norm"] > 0.05
    assert norm == pytest.approx(0.01, rel=1e-3)


def overflowing(rows):
    """The rows, the first with an advantage that no gradient survives."""
    mask = rows[0].response_mask
    return [dataclasses.replace(rows[0], advantages=np.where(mask, np.inf, 0.0)), *rows[1:]]


def test_a_step_that_overflows_is_left_out_and_counted(policy, rows):
    before, (expected,) = update(policy, rows[1:], minibatches=1)
    metrics, gradients = update(policy, [*overflowing(rows)[:1], *rows[1:]], minibatches=len(rows))
    assert metrics["optim/skipped_steps"] == 1
    assert math.isfinite(metrics["optim/grad_norm"])
    assert len(gradients) == len(rows) - 1
    assert before["optim/skipped_steps"] == 0
    assert len(expected) > 0


def test_an_update_without_a_step_changes_no_weight_and_says_why(policy, rows):
    before = [parameter.clone() for parameter in policy.model.parameters()]
    optimizer = torch.optim.AdamW(policy.model.parameters(), lr=1.0)
    optimizer.gradients = None  # type: ignore[attr-defined]
    with pytest.raises(ProxmoError, match=r"no step .* the gradient's norm was .*learning_rate"):
        update(policy, overflowing(rows), optimizer)
    for parameter, same in zip(policy.model.parameters(), before, strict=True):
        assert torch.equal(parameter, same)


def test_weights_that_are_not_finite_any_more_stop_the_run(policy, rows):
    optimizer = torch.optim.SGD(policy.model.parameters(), lr=1e38)
    optimizer.gradients = None  # type: ignore[attr-defined]
    with pytest.raises(ProxmoError, match=r"weights that are not finite: optim\.learning_rate"):
        update(policy, rows, optimizer)


def test_rows_that_repeat_each_other_are_read_once_and_share_their_gradient(policy, rows):
    rng = np.random.default_rng(0)
    again = [  # as others said it, from the same start to other ends
        dataclasses.replace(
            row,
            advantages=np.where(row.response_mask, rng.normal(), 0.0).astype(np.float32),
            old_logprobs=row.old_logprobs - 0.1 * row.response_mask,
        )
        for row in rows
        for _ in range(2)
    ]
    every = [*rows, *again]
    read = []
    hook = policy.model.register_forward_pre_hook(
        lambda _, args, kwargs: read.append(len(kwargs["input_ids"])), with_kwargs=True
    )
    metrics, (gradient,) = update(policy, every, kl=0)
    hook.remove()
    different = len(shared(rows))
    assert sum(read) == different
    assert metrics["optim/repeated_rows"] == pytest.approx(1 - different / len(every))
    assert metrics["optim/tokens"] == 3 * sum(int(row.response_mask.sum()) for row in rows)
    expected = [torch.zeros_like(g) for g in gradient]
    for row in every:  # each alone: nothing to share
        _, (own,) = update(policy, [row], kl=0)
        for total, part in zip(expected, own, strict=True):
            total += part * int(row.response_mask.sum()) / metrics["optim/tokens"]
    assert_same(gradient, expected)


def test_progress_counts_every_row_once(policy, rows):
    told = []
    update_policy(
        policy,
        Recorder(policy),
        Accelerator(cpu=True),
        rows,
        OptimConfig(epochs=2, micro_batch_tokens=40),
        temperature=1.0,
        seed=[0],
        on_progress=lambda done, total: told.append((done, total)),
    )
    assert [done for done, _ in told] == sorted({done for done, _ in told})
    assert told[-1] == (2 * len(rows), 2 * len(rows))
