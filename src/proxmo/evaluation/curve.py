"""The learning curve: success against updates, as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

# Okabe and Ito's palette: told apart by every kind of colour vision, and in grey.
_TRAINING, _EVALUATION, _REFERENCE = "#56B4E9", "#D55E00", "#5F5F5F"


class CurvePoint(NamedTuple):
    """One evaluation on the curve."""

    update: int
    """Updates made before it; 0 is the cold start."""
    success: float
    low: float
    """Lower end of the 95 % interval."""
    high: float
    """Upper end of the 95 % interval."""


def plot_learning_curve(
    path: Path,
    training: Sequence[tuple[int, float]],
    evaluations: Sequence[CurvePoint],
    *,
    title: str,
) -> None:
    """Write the curve as PNG (or what `path`'s suffix says).

    `training` holds (update, success rate of its rollouts), where the first update is 1: its
    rollouts come from the cold start. `evaluations` are on tasks that training never saw.
    """
    figure = Figure(figsize=(8, 4.8), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)  # draws without a display, whatever backend the user has set
    axes = figure.add_subplot()
    if training:
        # Rollouts of update n come from the policy after n - 1 updates.
        axes.plot(
            [update - 1 for update, _ in training],
            [success for _, success in training],
            color=_TRAINING,
            linewidth=1.5,
            label="training tasks, each update's rollouts",
        )
    if evaluations:
        first = evaluations[0]
        axes.axhline(
            first.success,
            color=_REFERENCE,
            linestyle=(0, (4, 3)),
            linewidth=1.2,
            label=f"cold start on unseen tasks: {first.success:.0%}",
            zorder=1,
        )
        axes.errorbar(
            [point.update for point in evaluations],
            [point.success for point in evaluations],
            yerr=[
                [point.success - point.low for point in evaluations],
                [point.high - point.success for point in evaluations],
            ],
            color=_EVALUATION,
            marker="o",
            markersize=6,
            linewidth=2,
            capsize=4,
            label="unseen tasks, with 95 % interval",
            zorder=3,
        )
        last = evaluations[-1]
        axes.annotate(
            f"{last.success:.0%}",
            (last.update, last.success),
            textcoords="offset points",
            xytext=(9, 0),
            va="center",
            color=_EVALUATION,
            fontweight="bold",
        )
    axes.set_title(title, loc="left", fontsize=12)
    axes.set_xlabel("policy updates")
    axes.set_ylabel("tasks solved")
    axes.set_ylim(0, 1)
    axes.margins(x=0.06)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    axes.grid(axis="y", color="#DDDDDD", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    if training or evaluations:
        axes.legend(frameon=False, loc="best", fontsize=9)
    figure.savefig(path)
