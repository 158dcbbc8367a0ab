"""The figures of a comparison."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import FuncFormatter, MaxNLocator, StrMethodFormatter

from proxmo.comparison.file import COLD_START
from proxmo.comparison.plan import Sweep, episodes_per_update
from proxmo.comparison.results import SUCCESS, Measure, Results, RunRecord
from proxmo.comparison.statistics import Estimate, Floats, aggregate
from proxmo.comparison.tables import DIAGNOSTICS, seconds_by_part
from proxmo.pages.figure import (
    COLOURS,
    GRID,
    INK,
    SHADE,
    WIDE,
    Figure,
    blank_canvas,
    line_style,
    one_axes,
    outer_legend,
    plain_axes,
)


def figures_of(results: Results, environment: str) -> list[Figure]:
    """The figures of one environment."""
    names = results.variants(environment)
    main = results.kinds(environment, "method", "variant") or names
    ablated = results.kinds(environment, "ablation")
    measured = [_measured(results, environment, m, main) for m in results.measures(environment)]
    # Side by side: the same figure of success and of score.
    figures = [figure for of_each in zip(*measured, strict=True) for figure in of_each]
    figures.append(
        Figure(
            f"types-{environment}",
            "Success by task type",
            "Mean over seeds at the end of training, with the standard deviation as a line.",
            lambda width: _types(results, environment, [COLD_START, *main], width),
        )
    )
    whole_method = [name for name in ("proxmo", "grpo") if name in names]
    taken_apart = results.shared(environment, [*whole_method, *ablated]) if ablated else {}
    if taken_apart:
        figures.append(
            Figure(
                f"ablation-{environment}",
                "Ablation",
                "ProxMO, and what is left of it without one level or both, over the seeds that "
                "all of these were run with.",
                lambda width: _final(results, SUCCESS, taken_apart, width),
            )
        )
    figures += [
        _sensitivity_figure(results, environment, sweep)
        for sweep in results.plan.sweeps
        if results.shared(environment, [name for _, name in sweep.points])
    ]
    return [
        *figures,
        Figure(
            f"time-{environment}",
            "Where the time of an update goes",
            "Mean seconds of an update: playing, working out credit, changing the weights.",
            lambda width: _time(results, environment, names, width),
        ),
        Figure(
            f"diagnostics-{environment}",
            "What credit had to go on",
            "Per update, mean over seeds.",
            lambda width: _diagnostics(results, environment, main, width),
            broad=True,
        ),
    ]


def _measured(
    results: Results, environment: str, measure: Measure, main: Sequence[str]
) -> list[Figure]:
    """How the variants were judged by a measure: while learning, per step, at the end."""
    names = results.variants(environment)
    told = measure.name.capitalize()
    return [
        Figure(
            measure.file_name("learning", environment),
            f"{told} while learning",
            f"{told} on unseen tasks after so many updates: interquartile mean over seeds, with "
            "its 95 % bootstrap interval as a band.",
            lambda width: _learning(results, environment, measure, main, width),
        ),
        Figure(
            measure.file_name("efficiency", environment),
            f"{told} per environment step",
            "The same evaluations against the environment steps that a run had taken to learn "
            "from, mean over seeds: a variant to the left of another needed fewer for as much.",
            lambda width: _efficiency(results, environment, measure, main, width),
        ),
        Figure(
            measure.file_name("final", environment),
            f"{told} at the end",
            "Interquartile mean over seeds with its 95 % bootstrap interval; each dot is a seed.",
            lambda width: _final(
                results,
                measure,
                {name: results.of(environment, name) for name in [COLD_START, *names]},
                width,
            ),
        ),
    ]


def colour_of(results: Results, variant: str) -> str:
    """A variant's colour, the same in all figures."""
    if variant == COLD_START:
        return INK
    place = [v.name for v in results.plan.variants].index(variant)
    return COLOURS[place % len(COLOURS)]


def _line_style(results: Results, variant: str) -> dict[str, Any]:
    """Colour, dashes and marker of a variant, the same in all figures."""
    return line_style([v.name for v in results.plan.variants].index(variant))


def curve(records: Sequence[RunRecord], measure: Measure = SUCCESS) -> list[tuple[int, Estimate]]:
    """The measure against updates: an aggregate at each evaluation that all runs have."""
    updates = set.intersection(*(set(record.evaluations) for record in records))
    return [
        (update, aggregate([np.array([measure.of(r.evaluations[update]) for r in records])]))
        for update in sorted(updates)
    ]


def steps_taken(records: Sequence[RunRecord], update: int) -> float:
    """Environment steps of the episodes learnt from in the first updates, mean over runs."""
    episodes = episodes_per_update(records[0].run.config)
    return float(
        np.mean(
            [
                sum(line["rollout/steps"] for line in record.metrics if line["update"] <= update)
                for record in records
            ]
        )
        * episodes
    )


def _learning(
    results: Results, environment: str, measure: Measure, names: Sequence[str], width: float
) -> Canvas:
    canvas, axes = one_axes(width, 0.55 if width == WIDE else 0.9)
    evaluated: set[int] = set()
    for name in names:
        points = curve(results.of(environment, name), measure)
        updates = [update for update, _ in points]
        evaluated.update(updates)
        _plot_curve(results, axes, name, updates, points)
    if len(evaluated) <= (12 if width == WIDE else 7):
        axes.set_xticks(sorted(evaluated))
    else:
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    episodes = {
        episodes_per_update(record.run.config)
        for name in names
        for record in results.of(environment, name)
    }
    told = f" of {episodes.pop()} episodes" if len(episodes) == 1 else ""
    axes.set_xlabel(f"policy updates{told}")
    _tell(axes.yaxis, measure)
    outer_legend(canvas, axes, len(names), width)
    return canvas


def _efficiency(
    results: Results, environment: str, measure: Measure, names: Sequence[str], width: float
) -> Canvas:
    canvas, axes = one_axes(width, 0.55 if width == WIDE else 0.9)
    for name in names:
        records = results.of(environment, name)
        points = curve(records, measure)
        steps = [steps_taken(records, update) for update, _ in points]
        _plot_curve(results, axes, name, steps, points)
    axes.xaxis.set_major_locator(MaxNLocator(6 if width == WIDE else 4))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    axes.set_xlabel("environment steps")
    _tell(axes.yaxis, measure)
    outer_legend(canvas, axes, len(names), width)
    return canvas


def _plot_curve(
    results: Results,
    axes: Axes,
    name: str,
    at: Sequence[float],
    points: Sequence[tuple[int, Estimate]],
) -> None:
    """A variant's line and band; `at` is where its evaluations stand."""
    style = _line_style(results, name)
    values = [estimate.value for _, estimate in points]
    axes.plot(at, values, label=name, linewidth=2, markersize=5, **style)
    low, high = [e.low for _, e in points], [e.high for _, e in points]
    axes.fill_between(at, low, high, color=style["color"], alpha=0.13, linewidth=0)


def _final(
    results: Results, measure: Measure, runs: Mapping[str, Sequence[RunRecord]], width: float
) -> Canvas:
    """How the runs of each variant ended; a variant without any has no line."""
    names = [name for name in runs if runs[name]]
    canvas, axes = one_axes(width, (0.9 + 0.36 * len(names)) / width)
    for place, name in enumerate(names):
        scores = measure.final(runs[name])
        estimate = aggregate([scores])
        colour = colour_of(results, name)
        axes.plot(scores, [place + 0.22] * len(scores), "o", color=colour, alpha=0.45, markersize=4)
        if estimate.low <= estimate.high:  # false without an interval
            axes.plot([estimate.low, estimate.high], [place] * 2, color=colour, linewidth=3)
        axes.plot([estimate.value], [place], "o", color=colour, markersize=8)
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.45, -0.55)
    axes.grid(axis="x", color=GRID, linewidth=0.8)
    axes.grid(visible=False, axis="y")
    _tell(axes.xaxis, measure)
    return canvas


def _types(results: Results, environment: str, names: Sequence[str], width: float) -> Canvas:
    found = {name: of for name in names if (of := results.of(environment, name))}
    kinds = results.task_types(environment)
    bar = 0.8 / len(found)
    canvas, axes = one_axes(width, 0.5 if width == WIDE else 0.9)
    for place, (name, records) in enumerate(found.items()):
        scores = [_type_scores(records, kind) for kind in kinds] + [SUCCESS.final(records)]
        means = [score.mean() if len(score) else np.nan for score in scores]
        spread = [score.std(ddof=1) if len(score) > 1 else np.nan for score in scores]
        at = np.arange(len(scores)) - 0.4 + bar * (place + 0.5)
        colour = SHADE if name == COLD_START else colour_of(results, name)
        axes.bar(at, means, bar * 0.9, color=colour, label=name)
        axes.errorbar(at, means, spread, fmt="none", ecolor=INK, elinewidth=0.9)
    told = [*kinds.values(), "All"]
    axes.set_xticks(range(len(told)), told)
    _tell(axes.yaxis, SUCCESS)
    axes.set_ylim(bottom=0, top=min(axes.get_ylim()[1], 1.0))
    outer_legend(canvas, axes, len(found), width)
    return canvas


def _type_scores(records: Sequence[RunRecord], kind: str) -> Floats:
    """Success at the end in tasks of a type, (runs that played one,)."""
    found = [record.last["types"].get(kind) for record in records]
    return np.array([score["success"] for score in found if score])


def _sensitivity_figure(results: Results, environment: str, sweep: Sweep) -> Figure:
    key = sweep.setting.partition(".")[2].replace("_", " ")
    return Figure(
        f"sensitivity-{sweep.method}-{sweep.setting.replace('.', '-')}-{environment}",
        f"Sensitivity of {sweep.method} to {key}",
        "Success at the end, over the seeds that all values were run with: interquartile mean with "
        "its 95 % interval; each dot is a seed. Values are evenly spaced.",
        lambda width: _sensitivity(results, environment, sweep, width),
    )


def _sensitivity(results: Results, environment: str, sweep: Sweep, width: float) -> Canvas:
    canvas, axes = one_axes(width, 0.45 if width == WIDE else 0.75)
    # A point that is a variant of its own may have more seeds than the others.
    runs = results.shared(environment, [name for _, name in sweep.points])
    points = [(place, runs[name]) for place, (_, name) in enumerate(sweep.points) if name in runs]
    values = []
    for place, records in points:
        scores = SUCCESS.final(records)
        estimate = aggregate([scores])
        values.append(estimate.value)
        axes.plot([place + 0.08] * len(scores), scores, "o", color=COLOURS[0], alpha=0.4, ms=4)
        if estimate.low <= estimate.high:
            axes.plot([place] * 2, [estimate.low, estimate.high], color=COLOURS[0], linewidth=3)
    axes.plot(
        [place for place, _ in points], values, "o-", color=COLOURS[0], linewidth=1.2, markersize=8
    )
    axes.set_xticks(range(len(sweep.points)), [str(value) for value, _ in sweep.points])
    axes.set_xlim(-0.5, len(sweep.points) - 0.5)
    axes.set_xlabel(sweep.setting)
    _tell(axes.yaxis, SUCCESS)
    return canvas


def _time(results: Results, environment: str, names: Sequence[str], width: float) -> Canvas:
    parts = {"rollout": COLOURS[5], "credit": COLOURS[1], "optim": COLOURS[0]}
    canvas, axes = one_axes(width, (1.3 + 0.36 * len(names)) / width)
    longest = 0.0
    for place, name in enumerate(names):
        seconds, left = seconds_by_part(results.of(environment, name)), 0.0
        for part, colour in parts.items():
            length = seconds.get(part, 0.0)
            told = {"optim": "update of weights"}.get(part, part)
            label = told if place == 0 else None
            axes.barh(place, length, 0.62, left=left, color=colour, label=label)
            left += length
        # Credit is too short to be seen: it is told.
        told = f"  {left:.3g} s, credit {seconds.get('credit', 0.0):.2g} s"
        axes.text(left, place, told, va="center", fontsize=8, color=INK)
        longest = max(longest, left)
    axes.set_xlim(0, longest * (1.4 if width == WIDE else 1.9))
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.grid(axis="x", color=GRID, linewidth=0.8)
    axes.grid(visible=False, axis="y")
    axes.set_xlabel("seconds of an update")
    axes.xaxis.set_major_locator(MaxNLocator(4))
    outer_legend(canvas, axes, 3, width)
    return canvas


def _diagnostics(results: Results, environment: str, names: Sequence[str], width: float) -> Canvas:
    columns = 3 if width == WIDE else 1
    rows = -(-len(DIAGNOSTICS) // columns)
    canvas = blank_canvas(width, rows * (2.1 if width == WIDE else 1.9) + 0.5)
    grid = canvas.subplots(rows, columns, squeeze=False).flatten()
    for axes, (metric, told) in zip(grid, DIAGNOSTICS.items(), strict=True):
        plain_axes(axes)
        for name in names:
            updates, values = _mean_over_seeds(results.of(environment, name), metric)
            style = _line_style(results, name) | {"marker": ""}
            axes.plot(updates, values, linewidth=1.6, label=name, **style)
        axes.set_title(told, loc="left", fontsize=9.5, color=INK)
        axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))
        axes.set_ylim(bottom=min(0, axes.get_ylim()[0]))
    for axes in grid[-columns:]:
        axes.set_xlabel("policy updates")
    outer_legend(canvas, grid[0], len(names), width)
    return canvas


def _mean_over_seeds(records: Sequence[RunRecord], metric: str) -> tuple[list[int], list[float]]:
    found: dict[int, list[float]] = {}
    for record in records:
        for line in record.metrics:
            if metric in line:
                found.setdefault(line["update"], []).append(line[metric])
    return sorted(found), [float(np.mean(found[update])) for update in sorted(found)]


def _tell(axis: Axis, measure: Measure) -> None:
    """An axis of a measure."""
    axis.set_label_text(measure.told)
    hundredths(axis, measure.unit)


def hundredths(axis: Axis, unit: str) -> None:
    """Shares written as hundredths, in full: 52.5 % does not become 52 %."""
    axis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:.4g}{unit}"))
    axis.set_major_locator(MaxNLocator("auto", steps=[1, 2, 5, 10]))
