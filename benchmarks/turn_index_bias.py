"""What methods give to going on in a game in which going on is worth nothing: their bias.

    uv run python benchmarks/turn_index_bias.py              # all of it, under a minute
    uv run python benchmarks/turn_index_bias.py --groups 2000

The game: every turn the agent sees the same sentence and stops or goes on. To stop pays 1 and ends
the game. To go on pays 1 and leads to another turn, or ends the game with nothing, with a chance of
1/2 each. So every turn is worth 1, whatever was done before, and the true advantage of both actions
is 0. Long games are those that went well: a baseline that holds the trajectory itself is a mean
over more steps where the agent went on, and knows what came of it.

Two figures per method, each with its 95 % interval over groups, both 0 without bias:
the mean advantage of going on at the first turn, where all trajectories are alike, and the mean
over all turns of what going on got more than stopping, which is what a policy gradient sees. Of
methods with a step level that level alone is measured.
"""

from __future__ import annotations

import argparse

import numpy as np
from numpy.typing import NDArray

import proxmo
from proxmo.credit import Credit, Estimator
from proxmo.credit.groups import relative
from proxmo.credit.result import combine
from proxmo.credit.returns import discounted_returns, step_returns
from proxmo.credit.turn_index import turn_groups

SIZES = (4, 8, 32)
"""Trajectories in a group."""
GO_ON = 0.8
"""How often the policy goes on."""
MOST_TURNS = 40
"""Where every game ends; a game gets there with a chance of 0.4^39."""


def turn_rewards(steps: proxmo.Steps) -> Credit:
    """Each reward against the mean of its turn, summed from a step on: MT-GRPO's by rewards.

    How many means are subtracted depends on how long the trajectory goes on.
    """
    deviations = relative(steps.reward, turn_groups(steps), "mean", sample=True)
    return combine(
        steps, step=discounted_returns(deviations, steps.trajectory_ids, steps.order, gamma=1.0)
    )


METHODS: dict[str, Estimator] = {
    "rewards by turn, summed": turn_rewards,
    "turn-index": proxmo.TurnIndex(gamma=1.0),
    "grpo": proxmo.GRPO(normalize="mean"),
    "gigpo": proxmo.GiGPO(gamma=1.0),
    "proxmo": proxmo.ProxMOStep(gamma=1.0),
    "proxmo leave_one_out": proxmo.ProxMOStep(gamma=1.0, leave_one_out=True),
}
"""Without discount, which rewards short games on purpose."""


def play(groups: int, size: int, seed: int) -> tuple[proxmo.Steps, NDArray[np.bool_]]:
    """Games of a policy that does not care: their steps, and at which of them it went on."""
    rng = np.random.default_rng(seed)
    games = groups * size
    goes = rng.random((games, MOST_TURNS)) < GO_ON
    well = rng.random((games, MOST_TURNS)) < 0.5
    lasting = np.cumprod(goes & well, axis=1, dtype=bool)
    alive = np.column_stack([np.ones(games, bool), lasting[:, :-1]])
    game, turn = np.nonzero(alive)
    went = goes[game, turn]
    steps = proxmo.Steps(
        group=game // size,
        trajectory=game,
        step=turn,
        observation=["You may stop or go on."] * len(game),
        reward=np.where(went, np.where(well[game, turn], 1.0, 0.0), 1.0),
    )
    return steps, went


def bias(
    method: Estimator, steps: proxmo.Steps, went: NDArray[np.bool_]
) -> tuple[tuple[float, float], tuple[float, float]]:
    """(mean, half of its 95 % interval over groups) of both figures."""
    credit = method(steps)
    returns = step_returns(steps, gamma=1.0, penalty=0.0)
    advantage = credit.step if credit.step.any() else credit.episode
    # With the true baseline, 1, going on gets nothing more than stopping: subtracting those
    # advantages takes away noise and nothing else.
    excess = advantage - (returns - 1.0)
    first = (steps.turn == 0) & went
    # The score of the action over its variance: the expectation is A(go on) - A(stop).
    score = np.where(went, 1 / GO_ON, -1 / (1 - GO_ON))
    return (
        _ratio(first * advantage, first * 1.0, steps.group_ids),
        _ratio(score * excess, np.ones(len(steps)), steps.group_ids),
    )


def _ratio(
    above: NDArray[np.float64], below: NDArray[np.float64], groups: NDArray[np.intp]
) -> tuple[float, float]:
    """Sum of `above` over sum of `below`, with its interval from the sums of groups."""
    sums, sizes = np.bincount(groups, above), np.bincount(groups, below)
    mean = sums.sum() / sizes.sum()
    error = np.sqrt(np.sum((sums - mean * sizes) ** 2)) / sizes.sum()
    return float(mean), float(1.96 * error)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="What methods give to going on for nothing.")
    parser.add_argument("--groups", type=int, default=10_000, help="groups of each size")
    groups = parser.parse_args().groups
    print(f"{'method':24}  n   'go on' at the first turn   more than 'stop', all turns")
    for size in SIZES:
        steps, went = play(groups, size, seed=size)
        for name, method in METHODS.items():
            (go, go_error), (more, more_error) = bias(method, steps, went)
            print(
                f"{name:24} {size:2}     {go:+.3f} +- {go_error:.3f}"
                f"            {more:+.3f} +- {more_error:.3f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
