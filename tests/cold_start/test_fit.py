"""What is learnt of lessons, and how it is told."""

import dataclasses

import pytest
import torch
from untaught import fitted

from proxmo.cold_start.demonstrations import demonstrate
from proxmo.cold_start.fit import fine_tune
from proxmo.cold_start.lessons import lessons_of
from proxmo.config import SftConfig
from proxmo.errors import InputError, ProxmoError

SMALL = SftConfig(demonstrations=6, vocabulary=400, batch_tokens=4096)


def test_fine_tuning_lowers_the_loss_on_actions(alfworld, tasks):
    episodes = demonstrate(alfworld, tasks[:3], seed=0).episodes
    policy = fitted(episodes)
    losses = []
    config = dataclasses.replace(SMALL, epochs=6, batch_tokens=10**6)
    last = fine_tune(
        policy.model,
        lessons_of(policy, episodes, observation_weight=0.0),
        config,
        lambda progress: losses.append(progress.loss),
    )
    assert losses[0] > 5  # a model made from nothing knows nothing: log(400) = 6
    assert last < losses[0] - 2


def test_the_loss_told_is_of_actions_whatever_observations_weigh(alfworld, tasks):
    episodes = demonstrate(alfworld, tasks[:2], seed=0).episodes
    told = []
    for weight in (0.5, 1.0):
        policy = fitted(episodes)
        config = dataclasses.replace(SMALL, batch_tokens=10**6)
        rows = lessons_of(policy, episodes, observation_weight=weight)
        fine_tune(policy.model, rows, config, lambda progress: told.append(progress.loss))
    # One step each, measured before it: what is not learnt yet does not depend on the weights.
    assert told[0] == pytest.approx(told[1], rel=1e-4)


def test_a_loss_that_is_not_finite_ends_the_cold_start(alfworld, tasks):
    episodes = demonstrate(alfworld, tasks[:1], seed=0).episodes
    policy = fitted(episodes)
    with torch.no_grad():
        next(policy.model.parameters()).fill_(float("nan"))
    with pytest.raises(ProxmoError, match=r"loss is nan .* in step 1 of 1; lower sft\.learning"):
        fine_tune(policy.model, lessons_of(policy, episodes, 0.5), SMALL)


def test_a_gradient_that_is_not_finite_ends_it_though_the_loss_is(alfworld, tasks):
    episodes = demonstrate(alfworld, tasks[:1], seed=0).episodes
    policy = fitted(episodes)
    next(policy.model.parameters()).register_hook(lambda gradient: gradient * float("inf"))
    with pytest.raises(ProxmoError, match=r"its gradient's norm (nan|inf) in step 1"):
        fine_tune(policy.model, lessons_of(policy, episodes, 0.5), SMALL)


def test_without_a_lesson_nothing_is_made():
    with pytest.raises(InputError, match=r"leave nothing to learn.*sft\.action_share"):
        fine_tune(torch.nn.Linear(2, 2), [], SMALL)
