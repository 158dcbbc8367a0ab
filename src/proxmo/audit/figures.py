"""The figures of an audit."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.patches import PathPatch
from matplotlib.path import Path

from proxmo.audit.judge import Findings, Judgement
from proxmo.audit.scores import Resampled
from proxmo.audit.tables import told
from proxmo.credit.steps import Floats
from proxmo.pages.figure import (
    COLOURS,
    GRID,
    INK,
    NARROW,
    SHADE,
    WIDE,
    Figure,
    blank_canvas,
    line_style,
    one_axes,
    outer_legend,
    plain_axes,
)
from proxmo.pages.table import typeset

_FAR = 4.0
"""Standard deviations that a scatter shows; what lies farther stands at its edge."""
_DOT = 0.01
"""Length of a line whose round ends are a dot, in standard deviations."""


def audit_figures(findings: Findings) -> list[Figure]:
    """The forest of methods, what noise does to them, and truth against credit."""
    figures = [
        Figure(
            "methods",
            "Credit against the truth",
            "Correlation of credit with what steps were worth, with 95 % intervals over tasks. "
            "Filled: credit as training gets it. Open: its mean over groups drawn anew, without "
            "the noise of either; what it is short of 1 is bias, and how far the filled one lies "
            "to its left is noise.",
            lambda width: _forest(findings, width),
            broad=True,
        ),
        Figure(
            "averaging",
            "As chance averages out",
            "Correlation with the truth of mean credit over so many groups drawn anew around a "
            "step. On the left credit as one update gets it: noise counts. To the right noise "
            "averages out, and what is missing to 1 is bias. Where lines cross, the method that "
            "says more of a single step teaches less in the long run.",
            lambda width: _averaging(findings, width),
            broad=True,
        ),
    ]
    if len(findings.noises) > 1:
        figures.append(
            Figure(
                "noise",
                "As noise grows",
                "Above, or on the left: correlation with the truth, with its 95 % interval, "
                "against the share of the observations that read with noise for the "
                "methods. Below, or on the right: the share of the steps that it gave exactly 0.",
                lambda width: _dose(findings, width),
                broad=True,
            )
        )
    figures.append(
        Figure(
            "scatter",
            "Truth against credit",
            "Every audited step: across what it was worth, upwards what the method gave it, each "
            "in its own standard deviations; a step beyond 4 stands at the edge. In colour the "
            "steps that are clearly worth something. On the dashed line, credit would be the "
            "truth but for its scale.",
            lambda width: _scatter(findings, width),
            broad=True,
        )
    )
    return figures


def _forest(findings: Findings, width: float) -> Canvas:
    methods = findings.methods
    canvas, axes = one_axes(width, (1.1 + 0.42 * len(methods)) / width)
    judged = [findings.of(method) for method in methods]
    axes.set_xlim(*_reach(judged))
    for place, one in enumerate(judged):
        colour = COLOURS[place % len(COLOURS)]
        _interval(axes, one.correlation, place - 0.13, colour, filled=True)
        _interval(axes, one.expected_correlation, place + 0.2, colour, filled=False)
    for x, filled, label in ((-9, True, "credit"), (-9, False, "mean credit, groups drawn anew")):
        axes.plot([x], [0], "o", color=INK, mfc=INK if filled else "none", label=label)
    axes.axvline(0, color=SHADE, linewidth=1, zorder=0.9)
    axes.axvline(1, color=SHADE, linewidth=1, zorder=0.9, linestyle="--")
    axes.set_yticks(range(len(methods)), [_told(name, width) for name in methods])
    axes.set_ylim(len(methods) - 0.45, -0.55)
    axes.grid(axis="x", color=GRID, linewidth=0.8)
    axes.grid(visible=False, axis="y")
    axes.set_xlabel("correlation with the truth")
    outer_legend(canvas, axes, 2, width)
    return canvas


def _reach(judged: Sequence[Judgement]) -> tuple[float, float]:
    """Ends of the axis: from the lowest, at least -1, to a little over 1. Intervals of mean credit,
    which go anywhere where little is known, may run out of it."""
    ends = [one.correlation.interval[0] for one in judged]
    ends += [one.expected_correlation.value for one in judged]
    low = min([0.0, *(end for end in ends if math.isfinite(end))])
    return max(low, -1.0) - 0.05, 1.1


def _interval(axes: Axes, figure: Resampled, y: float, colour: str, *, filled: bool) -> None:
    """A figure and its interval; a figure outside the axes points at where it would be."""
    if math.isnan(figure.value):
        return
    low, high = figure.interval
    left, right = axes.get_xlim()
    if low <= high:  # false without an interval
        axes.plot([low, high], [y, y], color=colour, linewidth=3 if filled else 1.2)
    inside = min(max(figure.value, left + 0.01), right - 0.01)
    marker = "o" if inside == figure.value else "<" if figure.value < left else ">"
    size, face = (8, colour) if filled else (6.5, "none")
    axes.plot([inside], [y], marker, color=colour, markersize=size, mfc=face, mew=1.4)


def _averaging(findings: Findings, width: float) -> Canvas:
    canvas, axes = one_axes(width, 0.55 if width == WIDE else 0.9)
    groups = 2 ** np.arange(8)
    for place, method in enumerate(findings.methods):
        style = line_style(place)
        style["marker"] = ""  # a curve, worked out
        values = [findings.of(method).averaged(int(count)).value for count in groups]
        axes.plot(groups, values, label=_told(method, width), linewidth=1.8, **style)
    axes.set_xscale("log", base=2)
    axes.set_xticks(groups, [str(count) for count in groups])
    axes.axhline(0, color=SHADE, linewidth=1)
    axes.set_ylim(top=1.02)
    axes.set_xlabel("groups that each step's credit is a mean of")
    axes.set_ylabel("correlation with the truth")
    outer_legend(canvas, axes, len(findings.methods), width)
    return canvas


def _dose(findings: Findings, width: float) -> Canvas:
    wide = width == WIDE
    canvas = blank_canvas(width, width * (0.5 if wide else 1.5))
    grid = canvas.subplots(1 if wide else 2, 2 if wide else 1, squeeze=False).flatten()
    noises = findings.noises
    for axes, label in zip(grid, ("correlation with the truth", "silent steps, %"), strict=True):
        plain_axes(axes)
        axes.grid(axis="y", color=GRID, linewidth=0.8)
        axes.set_ylabel(label)
        axes.set_xlabel("share of observations with noise")
        axes.set_xticks(noises, [f"{noise:g}" for noise in noises])
    # Beside one another, so that one interval does not hide the next.
    apart = 0.06 * min(b - a for a, b in pairwise(noises)) / len(findings.methods)
    for place, method in enumerate(findings.methods):
        style = line_style(place)
        judged = [findings.of(method, noise) for noise in noises]
        at = np.array(noises) + apart * (2 * place - len(findings.methods) + 1)
        values = [one.correlation.value for one in judged]
        grid[0].plot(at, values, label=_told(method, width), linewidth=1.6, ms=5, **style)
        ends = np.array([one.correlation.interval for one in judged])
        grid[0].vlines(at, *ends.T, color=style["color"], alpha=0.5, linewidth=1.4)
        silent = [100 * one.silent for one in judged]
        grid[1].plot(at, silent, linewidth=1.6, markersize=5, **style)
    grid[0].axhline(0, color=SHADE, linewidth=1)
    grid[1].set_ylim(-3, 103)
    outer_legend(canvas, grid[0], len(findings.methods), width)
    return canvas


def _scatter(findings: Findings, width: float) -> Canvas:
    methods = findings.methods
    columns = min(4 if width == WIDE else 2, len(methods))
    rows = -(-len(methods) // columns)
    canvas = blank_canvas(width, rows * (width / max(columns, 2) + 0.35) + 0.2)
    grid = canvas.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
    worth = _standard(findings.truth.advantage)
    for place, (axes, method) in enumerate(zip(grid.flatten(), methods, strict=False)):
        _cloud(axes, worth, findings.of(method), findings, COLOURS[place % len(COLOURS)])
    for axes in grid.flatten()[len(methods) :]:
        axes.set_visible(False)
    canvas.supxlabel("truth, standard deviations", fontsize=10, color=INK)
    canvas.supylabel("credit, standard deviations", fontsize=10, color=INK)
    return canvas


def _cloud(axes: Axes, worth: Floats, one: Judgement, findings: Findings, colour: str) -> None:
    plain_axes(axes)
    given = _standard(one.advantage)
    clear = findings.truth.clear
    axes.plot([-_FAR, _FAR], [-_FAR, _FAR], "--", color=SHADE, linewidth=1)
    _dots(axes, worth[~clear], given[~clear], SHADE)
    _dots(axes, worth[clear], given[clear], colour)
    edge = _FAR + 0.3
    axes.set(xlim=(-edge, edge), ylim=(-edge, edge), aspect="equal", xticks=range(-4, 5, 2))
    axes.set_yticks(range(-4, 5, 2))
    axes.tick_params(labelbottom=True)
    axes.set_title(_told(one.method, NARROW), loc="left", fontsize=9, color=INK)
    told_figure = typeset(f"r = {told(one.correlation)}")
    axes.text(0.03, 0.93, told_figure, transform=axes.transAxes, fontsize=8.5, color=INK)


def _dots(axes: Axes, x: Floats, y: Floats, colour: str) -> None:
    """Points as one line of a page's drawing, whose many elements would be its heaviest part."""
    ends = np.stack([np.stack([x, y], axis=1), np.stack([x + _DOT, y], axis=1)], axis=1)
    path = Path(ends.reshape(-1, 2), [Path.MOVETO, Path.LINETO] * len(x))
    # Lines as short as these are lost where paths are made simpler, or brought onto pixels.
    path.should_simplify = False
    axes.add_patch(
        PathPatch(path, fc="none", ec=colour, lw=3, alpha=0.7, capstyle="round", snap=False)
    )


def _told(name: str, width: float) -> str:
    """A method's name, in lines between its options, which leave room for what it names."""
    longest = 30 if width == WIDE else 22
    lines = [""]
    for piece in re.split(r"(?<=[:,\s])", name):
        if lines[-1] and len(lines[-1]) + len(piece) > longest:
            lines.append("")
        lines[-1] += piece
    return "\n".join(lines).replace("$", r"\$")  # which would begin a formula


def _standard(x: Floats) -> Floats:
    """In standard deviations, those far out brought to the edge; all 0 where nothing varies."""
    spread = x.std()
    if spread < 1e-12:
        return np.zeros(len(x))
    return np.clip((x - x.mean()) / spread, -_FAR, _FAR)
