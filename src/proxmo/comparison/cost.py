"""What a comparison will cost, before and while it runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from proxmo.comparison.jobs import is_finished, updates_made
from proxmo.comparison.plan import Plan, Run, episodes_per_update
from proxmo.envs import registry
from proxmo.training.records import RunFolder

BUILTIN_CORE_SECONDS = 0.4
"""Core-seconds that an episode of ALFWorld costs the built-in policy, learning included: the main
run took 24 s for the 128 episodes of its first update, on two cores."""


@dataclass(frozen=True, slots=True)
class Cost:
    """Amounts of a comparison."""

    runs: int
    finished: int
    updates: int
    """Updates still to be made, all runs together."""
    episodes: int
    """Episodes still to be learnt from."""
    evaluation_episodes: int
    """Episodes of the evaluations of all unfinished runs; 0 where a run plays whole splits."""
    steps: int
    """Most environment steps of the episodes to be learnt from: were all to be cut off."""
    seconds_per_update: float | None
    """Mean over the updates on record here, evaluations apart; None when there are none."""
    core_hours: float | None
    """Estimate for the built-in policy where nothing is on record; None for other models."""


def cost_of(plan: Plan) -> Cost:
    """Count what is left to do, and what it will take as far as that is known."""
    unfinished = [run for run in plan.runs if not is_finished(run)]
    left = {run.name: run.config.optim.updates - updates_made(run) for run in unfinished}
    episodes = {run.name: left[run.name] * episodes_per_update(run.config) for run in unfinished}
    evaluation = sum(_evaluations(run) * run.config.run.eval_tasks for run in unfinished)
    recorded = seconds_per_update(plan.runs)
    builtin = all(
        run.config.policy.model == str(plan.builtin_model(run.environment)) for run in plan.runs
    )
    total = sum(episodes.values())
    return Cost(
        runs=len(plan.runs),
        finished=len(plan.runs) - len(unfinished),
        updates=sum(left.values()),
        episodes=total,
        evaluation_episodes=evaluation,
        steps=sum(episodes[run.name] * _max_steps(run) for run in unfinished),
        seconds_per_update=recorded,
        core_hours=total * BUILTIN_CORE_SECONDS / 3600 if builtin and recorded is None else None,
    )


def seconds_per_update(runs: Sequence[Run]) -> float | None:
    """Mean length of the updates on record: rollout, credit and optimization."""
    seconds = [
        sum(value for name, value in line.items() if name.startswith("seconds/"))
        for run in runs
        for line in RunFolder(run.folder).read_metrics()
    ]
    return sum(seconds) / len(seconds) if seconds else None


def _evaluations(run: Run) -> int:
    """Evaluations after the first one, which is shared."""
    every, updates = run.config.run.eval_every, run.config.optim.updates
    return 1 + ((updates - 1) // every if every else 0)


def _max_steps(run: Run) -> int:
    return run.config.env.max_steps or registry.get(run.config.env.name).max_steps
