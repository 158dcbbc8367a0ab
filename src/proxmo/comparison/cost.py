"""What a comparison will cost, before and while it runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from proxmo.comparison.jobs import is_finished, updates_made
from proxmo.comparison.plan import Plan, Run, episodes_per_update
from proxmo.envs import registry
from proxmo.training.run_folder import RunFolder


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
    """Estimate where nothing is on record, for the built-in policy in environments whose spec says
    what it costs; None for what else there is."""


def cost_of(plan: Plan) -> Cost:
    """Count what is left to do, and what it will take as far as that is known."""
    unfinished = [run for run in plan.runs if not is_finished(run)]
    left = {run.name: run.config.optim.updates - updates_made(run) for run in unfinished}
    episodes = {run.name: left[run.name] * episodes_per_update(run.config) for run in unfinished}
    evaluation = sum(_evaluations(run) * run.config.run.eval_tasks for run in unfinished)
    recorded = seconds_per_update(plan.runs)
    return Cost(
        runs=len(plan.runs),
        finished=len(plan.runs) - len(unfinished),
        updates=sum(left.values()),
        episodes=sum(episodes.values()),
        evaluation_episodes=evaluation,
        steps=sum(episodes[run.name] * _max_steps(run) for run in unfinished),
        seconds_per_update=recorded,
        core_hours=_core_hours(plan, unfinished, episodes) if recorded is None else None,
    )


def seconds_per_update(runs: Sequence[Run]) -> float | None:
    """Mean length of the updates on record: rollout, credit and optimization."""
    seconds = [
        sum(value for name, value in line.items() if name.startswith("seconds/"))
        for run in runs
        for line in RunFolder(run.folder).read_metrics()
    ]
    return sum(seconds) / len(seconds) if seconds else None


def _core_hours(plan: Plan, runs: Sequence[Run], episodes: Mapping[str, int]) -> float | None:
    """What so many episodes per run take the built-in policy; None where that is not known."""
    seconds = 0.0
    for run in runs:
        episode = registry.get(run.config.env.name).episode_core_seconds
        if episode is None or not plan.starts_from_builtin(run):
            return None
        seconds += episodes[run.name] * episode
    return seconds / 3600


def _evaluations(run: Run) -> int:
    """Evaluations after the first one, which is shared."""
    every, updates = run.config.run.eval_every, run.config.optim.updates
    return 1 + ((updates - 1) // every if every else 0)


def _max_steps(run: Run) -> int:
    return run.config.env.max_steps or registry.get(run.config.env.name).max_steps
