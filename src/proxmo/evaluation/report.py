"""Evaluations as tables for a terminal."""

from __future__ import annotations

from rich.table import Table

from proxmo.evaluation.evaluate import Evaluation, Score


def evaluation_table(evaluation: Evaluation, title: str) -> Table:
    """One row per task type and one for all.

    Success with its interval, the environment's own grade where it gives one, length, invalid
    share.
    """
    graded = ["score"] if evaluation.overall.score is not None else []
    table = _table(title, ["episodes", "success", "95 % interval", *graded, "steps", "invalid"])
    for name, score in evaluation.types.items():
        table.add_row(name, *_cells(score))
    table.add_section()
    table.add_row("all", *_cells(evaluation.overall), style="bold")
    return table


def comparison_table(before: Evaluation, after: Evaluation, title: str) -> Table:
    """Cold start against trained, per task type; gains in percentage points."""
    table = _table(title, ["episodes", "cold start", "trained", "gain"])
    for name in sorted(before.types.keys() | after.types.keys()):
        table.add_row(name, *_change(before.types.get(name), after.types.get(name)))
    table.add_section()
    table.add_row("all", *_change(before.overall, after.overall), style="bold")
    return table


def _table(title: str, columns: list[str]) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column("task type", overflow="fold")
    for column in columns:
        table.add_column(column, justify="right")
    return table


def _cells(score: Score) -> list[str]:
    return [
        str(score.episodes),
        f"{score.success:.1%}",
        _interval(score),
        *([] if score.score is None else [f"{score.score:.3f}"]),
        f"{score.steps:.1f}",
        f"{score.invalid:.1%}",
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
