"""The loss as equations, against numbers worked by hand."""

import math

import pytest
import torch

from proxmo.errors import InputError
from proxmo.loss.kl import k3_kl
from proxmo.loss.objective import means, objective
from proxmo.loss.ppo import outside_clip, ppo_clip

THREE = (torch.zeros(3), torch.zeros(3), torch.ones(3))


def test_the_surrogate_is_clipped_where_that_makes_it_worse():
    ratios = torch.tensor([1.5, 1.5, 0.5, 0.5])
    advantages = torch.tensor([2.0, -2.0, 2.0, -2.0])
    loss = ppo_clip(ratios.log(), torch.zeros(4), advantages, low=0.2, high=0.3)
    assert loss.tolist() == pytest.approx([-2.6, 3.0, -1.0, 1.6])


def test_k3_is_zero_where_policies_agree_and_positive_elsewhere():
    kl = k3_kl(torch.tensor([0.5, 0.5, 0.2]).log(), torch.tensor([0.5, 0.25, 0.4]).log())
    assert kl.tolist() == pytest.approx([0.0, 0.5 - 1 + math.log(2), 2 - 1 - math.log(2)], abs=1e-6)


def test_ratios_outside_the_range_are_counted_on_both_sides():
    now = torch.tensor([0.79, 0.81, 1.29, 1.31]).log()
    assert outside_clip(now, torch.zeros(4), 0.2, 0.3).tolist() == [True, False, False, True]


def test_the_objective_by_hand():
    # Ratios 1.5, 0.5 and 1.1; the first is clipped, the second not: its advantage is negative.
    old = torch.tensor([0.4, 0.4, 0.5]).log()
    now = torch.tensor([0.6, 0.2, 0.55]).log()
    start = torch.tensor([0.3, 0.2, 1.0]).log()
    advantages = torch.tensor([2.0, -1.0, 3.0])
    found = objective(now, old, advantages, start, clip_low=0.2, clip_high=0.2, kl_weight=0.5)
    surrogate = -2.4 + 0.8 - 3.3  # min(3, 2.4); min(-0.5, -0.8); min(3.3, 3.6)
    k3 = (0.5 - 1 + math.log(2)) + 0 + (1 / 0.55 - 1 + math.log(0.55))
    assert float(found.total) == pytest.approx(surrogate + 0.5 * k3, abs=1e-5)
    told = means(found.figures)
    assert told["tokens"] == 3
    assert told["loss"] == pytest.approx((surrogate + 0.5 * k3) / 3, abs=1e-6)
    assert told["kl"] == pytest.approx(k3 / 3, abs=1e-6)
    assert told["clip_fraction"] == pytest.approx(2 / 3)
    assert told["entropy"] == pytest.approx(-math.log(0.6 * 0.2 * 0.55) / 3, abs=1e-6)


def test_without_a_reference_there_is_no_kl():
    now, old, advantages = torch.tensor([-1.0]), torch.tensor([-1.5]), torch.tensor([2.0])
    found = objective(now, old, advantages, kl_weight=9.0)
    assert float(found.total) == pytest.approx(-1.2 * 2.0)
    assert means(found.figures)["kl"] == 0.0


def test_the_gradient_is_zero_where_the_clip_bites_and_the_ratio_elsewhere():
    now = torch.tensor([0.6, 0.2, 0.55, 0.1]).log().requires_grad_()
    old = torch.tensor([0.4, 0.4, 0.5, 0.4]).log()
    objective(now, old, torch.tensor([2.0, -1.0, 3.0, 1.0])).total.backward()
    # d(-r A) / d(log p) = -r A where the minimum is the plain ratio, 0 where it is the clipped.
    assert now.grad is not None
    assert now.grad.tolist() == pytest.approx([0.0, 0.0, -3.3, -0.25], abs=1e-6)


def test_the_gradient_of_k3_is_one_less_the_ratio_to_the_start():
    now = torch.tensor([0.5, 0.2]).log().requires_grad_()
    start = torch.tensor([0.25, 0.4]).log()
    objective(now, now.detach(), torch.zeros(2), start, kl_weight=1.0).total.backward()
    assert now.grad is not None
    assert now.grad.tolist() == pytest.approx([1 - 0.5, 1 - 2.0], abs=1e-6)


def test_the_parts_of_a_batch_add_up():
    torch.manual_seed(0)
    now, old, start, advantages = (torch.randn(7) for _ in range(4))
    whole = objective(now, old, advantages, start, kl_weight=0.1)
    parts = [
        objective(now[a:b], old[a:b], advantages[a:b], start[a:b], kl_weight=0.1)
        for a, b in ((0, 3), (3, 4), (4, 7))
    ]
    assert float(torch.stack([part.total for part in parts]).sum()) == pytest.approx(
        float(whole.total), abs=1e-5
    )
    summed = torch.stack([part.figures for part in parts]).sum(0)
    assert means(summed) == pytest.approx(means(whole.figures), abs=1e-6)


@pytest.mark.parametrize("shape", [(3, 1), (1,), (), (4,)])
@pytest.mark.parametrize("place", [0, 1, 2])
def test_what_would_be_broadcast_is_refused(shape, place):
    tensors = [*THREE[:place], torch.zeros(shape), *THREE[place + 1 :]]
    with pytest.raises(InputError, match=r"shapes differ .* logprobs .*give one entry per token"):
        ppo_clip(tensors[0], tensors[1], tensors[2], 0.2, 0.2)
    with pytest.raises(InputError, match="one entry per token"):
        objective(tensors[0], tensors[1], tensors[2])


def test_a_reference_of_another_shape_is_refused():
    with pytest.raises(InputError, match=r"reference_logprobs \(3, 1\)"):
        objective(*THREE, torch.zeros(3, 1))
