"""Evaluations as tables for a terminal."""

from __future__ import annotations

from rich.table import Table

from proxmo.envs.spec import EnvSpec
from proxmo.evaluation.scores import Evaluation, Score
from proxmo.types import FailedEpisodes


def evaluation_table(evaluation: Evaluation, title: str, spec: EnvSpec) -> Table:
    """One row per task type, named and ordered as `spec` says, and one for all.

    Success with its interval, the environment's own grade where it gives one, length, invalid
    share; shares of cut prompts, and errors, where there are any. A task type of which every
    episode broke off has no more than its errors.
    """
    columns = ["episodes", "success", "95 % interval", "steps", "invalid"]
    graded = evaluation.overall.score is not None
    if graded:
        columns.insert(3, "score")
    if evaluation.overall.cut:
        columns.append("cut prompts")
    if evaluation.overall.errors:
        columns.append("errors")
    table = _table(title, columns)

    def row(label: str, cells: dict[str, str], style: str | None = None) -> None:
        table.add_row(label, *(cells.get(column, "") for column in columns), style=style)

    names = evaluation.types.keys() | evaluation.broken_types.keys()
    for name in sorted(names, key=spec.task_type_place):
        if name in evaluation.types:
            cells = _cells(evaluation.types[name])
        else:
            cells = {"episodes": "0", "errors": str(evaluation.broken_types[name])}
        row(spec.task_type_name(name), cells)
    table.add_section()
    row("all", _cells(evaluation.overall), style="bold")
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


def _cells(score: Score) -> dict[str, str]:
    """All that a row may show, by column."""
    return {
        "episodes": str(score.episodes),
        "success": f"{score.success:.1%}",
        "95 % interval": _interval(score),
        "score": "" if score.score is None else f"{score.score:.3f}",
        "steps": f"{score.steps:.1f}",
        "invalid": f"{score.invalid:.1%}",
        "cut prompts": f"{score.cut:.1%}",
        "errors": str(score.errors),
    }


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
