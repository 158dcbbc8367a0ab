"""What prompting came to, for a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table

from proxmo.evaluation.prompting.trials import Trial
from proxmo.policies.base import Usage


def trials_table(trials: Sequence[Trial]) -> Table:
    """One row per trial: what it played and solved, and success up to it."""
    table = Table(title="success by trial", title_justify="left")
    for column in ("trial", "played", "solved", "success so far"):
        table.add_column(column, justify="right")
    for number, trial in enumerate(trials, start=1):
        table.add_row(str(number), str(trial.played), str(trial.solved), f"{trial.success:.1%}")
    return table


def usage_line(usage: Usage) -> str:
    """Tokens and requests, in a sentence."""
    missing = f" ({usage.uncounted:,} of them not counted by the server)" if usage.uncounted else ""
    return (
        f"tokens: {usage.prompt_tokens:,} read, {usage.completion_tokens:,} written, in "
        f"{usage.requests:,} requests{missing}"
    )
