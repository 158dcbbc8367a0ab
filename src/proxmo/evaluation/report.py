"""Evaluations as tables for a terminal."""

from __future__ import annotations

from rich.table import Table

from proxmo.envs.spec import EnvSpec
from proxmo.evaluation.scores import Evaluation, Score
from proxmo.types import FailedEpisodes


def evaluation_table(evaluation: Evaluation, title: str, spec: EnvSpec) -> Table:
    """One row per task type, named and ordered as `spec` says, and one for all.

    Success with its interval, the environment's own grade where it gives one, length, invalid
    share; errors where there are any.
    """
    columns = ["episodes", "success", "95 % interval", "steps", "invalid"]
    graded = evaluation.overall.score is not None
    if graded:
        columns.insert(3, "score")
    broken = evaluation.overall.errors > 0
    if broken:
        columns.append("errors")
    table = _table(title, columns)
    for name in sorted(evaluation.types, key=spec.task_type_place):
        table.add_row(spec.task_type_name(name), *_cells(evaluation.types[name], graded, broken))
    table.add_section()
    table.add_row("all", *_cells(evaluation.overall, graded, broken), style="bold")
    return table


def errors_line(errors: int, first: str | None, failed_episodes: FailedEpisodes) -> str:
    """What became of episodes that the environment broke off, and why the first one was."""
    count = "count as failures" if failed_episodes == "fail" else "count in no rate and no mean"
    said = f"; the first error was: {first}" if first else ""
    return f"episodes broken off by the environment: {errors}; they {count}{said}"


def comparison_table(before: Evaluation, after: Evaluation, title: str, spec: EnvSpec) -> Table:
    """Cold start against trained, per task type; gains in percentage points."""
    table = _table(title, ["episodes", "cold start", "trained", "gain"])
    for name in sorted(before.types.keys() | after.types.keys(), key=spec.task_type_place):
        change = _change(before.types.get(name), after.types.get(name))
        table.add_row(spec.task_type_name(name), *change)
    table.add_section()
    table.add_row("all", *_change(before.overall, after.overall), style="bold")
    return table


def _table(title: str, columns: list[str]) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column("task type", overflow="fold")
    for column in columns:
        table.add_column(column, justify="right")
    return table


def _cells(score: Score, graded: bool, broken: bool) -> list[str]:
    grade = "" if score.score is None else f"{score.score:.3f}"
    return [
        str(score.episodes),
        f"{score.success:.1%}",
        _interval(score),
        *([grade] if graded else []),
        f"{score.steps:.1f}",
        f"{score.invalid:.1%}",
        *([str(score.errors)] if broken else []),
    ]


def _change(before: Score | None, after: Score | None) -> list[str]:
    episodes = after or before
    gain = "" if not before or not after else f"{100 * (after.success - before.success):+.1f}"
    return [
        str(episodes.episodes) if episodes else "",
        _success(before),
        _success(after),
        gain,
    ]


def _success(score: Score | None) -> str:
    return f"{score.success:.1%} ({_interval(score)})" if score else "not seen"


def _interval(score: Score) -> str:
    return f"{100 * score.low:.0f} to {100 * score.high:.0f}"
