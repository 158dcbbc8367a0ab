"""What an audit found, as a terminal shows it and as tables."""

from __future__ import annotations

import math
from itertools import chain

import numpy as np
from rich.console import RenderableType
from rich.table import Table as Grid
from rich.text import Text

from proxmo.audit.judge import Findings
from proxmo.audit.scores import Resampled
from proxmo.pages.table import NO_INTERVAL, Table, typeset

INTERVAL = "95 % interval"
JUDGED = (
    "correlation",
    "corrected",
    "rank_correlation",
    "sign",
    "expected_correlation",
    "signal",
)
"""What a judgement says with an interval."""
AVERAGED = (1, 4, 16)
"""Numbers of groups over which mean credit is told."""
VERDICTS = {"better": "green", "worse": "red"}

_SCORES_NOTE = (
    "Correlation: of what a method gave the steps with what they were worth (Pearson's); its "
    "interval is of tasks drawn anew. Corrected: the same if the truth were known exactly, over "
    "the root of its reliability. Rank: Spearman's, of their order alone. Sign: of the steps that "
    "are clearly worth something, the share whose sign it has right; silence is not right. "
    "Expected: correlation of its mean credit over groups drawn anew with the truth, without the "
    "noise of either, so that it may pass 1 where little is known; what is missing to 1 is bias, "
    "which no number of samples averages out. Signal: share of its credit's variance that is no "
    "chance, as two draws of the group around a step agree on it; the rest is noise. Silent: share "
    "of the steps that it gave exactly 0."
)
_AVERAGING_NOTE = (
    "Groups: correlation with the truth of a method's mean credit over so many groups drawn anew "
    "around the same step, worked out from its expected correlation and its signal (Spearman and "
    "Brown), the noise of the truth left out. One group is what an update has of a step; training "
    "that meets like steps in many groups is nearer the right."
)
_PAIRED_NOTE = (
    "The first method less another, over the same tasks drawn anew; an interval that includes 0 "
    "shows no difference. Correlation: of credit as training gets it, noise and all. Expected: of "
    "mean credit over groups drawn anew, so that a difference is one of bias."
)
_NOISE_NOTE = (
    "Correlation with the truth where that share of the observations reads with noise for the "
    "methods, its 95 % interval in brackets. Silent: share of the steps that it gave exactly 0."
)
_BRIEF_NOISE_NOTE = (
    "Correlation with the truth where that share of the observations reads with noise for the "
    "methods; intervals and differences are in the report."
)
_PAIRED_NOISE_NOTE = (
    "Correlation of the first method less that of another, on the same noisy observations, with "
    "its 95 % interval, paired over tasks."
)


def summary(findings: Findings) -> list[RenderableType]:
    """What a terminal shows: what was audited, and tables of methods, differences and noise."""
    tables = [score_table(findings), paired_table(findings)]
    if len(findings.noises) > 1:
        tables.append(_brief_noise_table(findings))
    lines: list[RenderableType] = [headline(findings)]
    for table in tables:
        if table.rows:
            lines += ["", _grid(table)]
    return lines


def headline(findings: Findings) -> str:
    """What was audited, and how well it is known."""
    truth = findings.truth
    tasks = len(np.unique(truth.task))
    left_out = f" {truth.left_out:,} more could not be judged." if truth.left_out else ""
    return typeset(
        f"{len(truth):,} steps of {tasks} tasks were played on from. What they were worth, "
        f"discounted by {findings.gamma:g}, is known with reliability "
        f"{told(findings.reliability)} ({between(findings.reliability)}; 1 would be exactly); "
        f"{percent_of(findings.clear)} % of them are clearly worth something.{left_out}"
    )


def tables_of(findings: Findings) -> list[Table]:
    """All that there is to read; a table without rows is left out."""
    tables = [score_table(findings), averaging_table(findings), paired_table(findings)]
    if len(findings.noises) > 1:
        tables += [noise_table(findings), paired_noise_table(findings)]
    return [table for table in tables if table.rows]


def score_table(findings: Findings) -> Table:
    """How every method did, at the least noise."""
    rows = [
        (
            one.method,
            told(one.correlation),
            between(one.correlation),
            told(one.corrected),
            told(one.rank_correlation),
            percent_of(one.sign.value),
            told(one.expected_correlation),
            between(one.expected_correlation),
            percent_of(one.signal.value),
            percent_of(one.silent),
        )
        for one in map(findings.of, findings.methods)
    ]
    return Table(
        "scores",
        f"Credit against the truth{_at(findings)}",
        (
            "method",
            "correlation",
            INTERVAL,
            "corrected",
            "rank",
            "sign, %",
            "expected",
            INTERVAL,
            "signal, %",
            "silent, %",
        ),
        tuple(rows),
        _SCORES_NOTE,
    )


def averaging_table(findings: Findings) -> Table:
    """What every method would come to if each step's credit were a mean over so many groups."""
    rows = []
    for one in map(findings.of, findings.methods):
        means = (_surely(one.averaged(groups)) for groups in AVERAGED)
        rows.append((one.method, *means, _surely(one.expected_correlation)))
    columns = (f"groups: {groups}" for groups in AVERAGED)
    return Table(
        "averaging",
        f"Correlation as chance averages out{_at(findings)}",
        ("method", *columns, "groups: any"),
        tuple(rows),
        _AVERAGING_NOTE,
    )


def paired_table(findings: Findings) -> Table:
    """The first method against every other, at the least noise."""
    first = findings.of(findings.methods[0])
    rows = []
    for other in map(findings.of, findings.methods[1:]):
        differences = (
            first.correlation - other.correlation,
            first.expected_correlation - other.expected_correlation,
        )
        cells = (
            cell
            for found in differences
            for cell in (told(found, sign=True), between(found, sign=True), verdict(found))
        )
        rows.append((f"{first.method} − {other.method}", *cells))
    return Table(
        "differences",
        f"Differences, paired over tasks{_at(findings)}",
        ("difference", *("correlation", INTERVAL, "verdict"), *("expected", INTERVAL, "verdict")),
        tuple(rows),
        _PAIRED_NOTE,
    )


def noise_table(findings: Findings) -> Table:
    """What is left of every method as noise on observations grows."""
    rows = []
    for method in findings.methods:
        judged = [findings.of(method, noise) for noise in findings.noises]
        cells = ((_surely(one.correlation), percent_of(one.silent)) for one in judged)
        rows.append((method, *chain.from_iterable(cells)))
    columns = ((f"noise {noise:g}", "silent, %") for noise in findings.noises)
    return Table(
        "noise",
        "Correlation as noise grows",
        ("method", *chain.from_iterable(columns)),
        tuple(rows),
        _NOISE_NOTE,
    )


def _brief_noise_table(findings: Findings) -> Table:
    """The same without intervals, for a terminal, which is not as wide."""
    rows = [
        (method, *(told(findings.of(method, noise).correlation) for noise in findings.noises))
        for method in findings.methods
    ]
    columns = ("method", *(f"noise {noise:g}" for noise in findings.noises))
    return Table("noise", "Correlation as noise grows", columns, tuple(rows), _BRIEF_NOISE_NOTE)


def paired_noise_table(findings: Findings) -> Table:
    """The first method against every other as noise on observations grows."""
    name, *others = findings.methods
    rows = []
    for other in others:
        differences = [
            findings.of(name, noise).correlation - findings.of(other, noise).correlation
            for noise in findings.noises
        ]
        cells = ((_surely(found, sign=True), verdict(found)) for found in differences)
        rows.append((f"{name} − {other}", *chain.from_iterable(cells)))
    columns = ((f"noise {noise:g}", "verdict") for noise in findings.noises)
    return Table(
        "noise-differences",
        "Differences in correlation as noise grows",
        ("difference", *chain.from_iterable(columns)),
        tuple(rows),
        _PAIRED_NOISE_NOTE,
    )


def figure_table(findings: Findings) -> Table:
    """Every figure of every method at every share of noise: the numbers behind all others."""
    rows = []
    for one in findings.judgements.values():
        for name in JUDGED:
            figure: Resampled = getattr(one, name)
            ends = (figure.value, *figure.interval)
            told_ends = ("" if math.isnan(end) else f"{end:.6f}" for end in ends)
            rows.append((one.method, f"{one.noise:g}", name, *told_ends))
        rows.append((one.method, f"{one.noise:g}", "silent", f"{one.silent:.6f}", "", ""))
    columns = ("method", "noise", "figure", "value", "low", "high")
    return Table("figures", "Every figure", columns, tuple(rows))


def verdict(difference: Resampled) -> str:
    """`better` or `worse` as its interval leaves out zero, `not shown`, or `not known`."""
    low, high = difference.interval
    if math.isnan(low):
        return "not known"
    if low <= 0 <= high:
        return "not shown"
    return "better" if difference.value > 0 else "worse"


def told(figure: Resampled, *, sign: bool = False) -> str:
    """A figure, with its sign if it is a difference; a dash where it is undefined."""
    if math.isnan(figure.value):
        return NO_INTERVAL
    return _number(figure.value, sign)


def between(figure: Resampled, *, sign: bool = False) -> str:
    """Its 95 % interval."""
    low, high = figure.interval
    if math.isnan(low):
        return NO_INTERVAL
    if sign:  # an end that is hardly below zero says so: the verdict goes by it
        return f"{low:+.3f} to {high:+.3f}"
    return f"{_number(low, sign)} to {_number(high, sign)}"


def percent_of(share: float) -> str:
    """A share as a whole number of percent, a dash where it is undefined."""
    return NO_INTERVAL if math.isnan(share) else f"{round(100 * share)}"


def _surely(figure: Resampled, *, sign: bool = False) -> str:
    """A figure with its interval in brackets."""
    return f"{told(figure, sign=sign)} ({between(figure, sign=sign)})"


def _at(findings: Findings) -> str:
    """Where there are several shares of noise, which of them is meant."""
    return f", noise {findings.noises[0]:g}" if len(findings.noises) > 1 else ""


def _number(value: float, sign: bool) -> str:
    """Two decimals, of a difference three; what rounds to nothing has no minus."""
    return f"{round(value, 3) + 0.0:+.3f}" if sign else f"{round(value, 2) + 0.0:.2f}"


def _grid(table: Table) -> Grid:
    """The table for a terminal."""
    grid = Grid(
        title=table.title,
        title_justify="left",
        title_style="bold",
        box=None,
        pad_edge=False,
        caption=table.note,
        caption_justify="left",
    )
    for place, column in enumerate(table.columns):
        grid.add_column(column, justify="right" if place else "left", overflow="fold")
    for row in table.rows:
        grid.add_row(*(Text(typeset(cell), style=VERDICTS.get(cell, "")) for cell in row))
    return grid
