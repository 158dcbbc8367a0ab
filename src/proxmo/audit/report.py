"""The report of an audit: every step's truth, all figures, and one page that needs nothing else."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from proxmo.audit.credit_view import judged, task_views
from proxmo.audit.figures import audit_figures
from proxmo.audit.folder import AuditFolder
from proxmo.audit.judge import Findings, Judgement
from proxmo.audit.record import TaskRecord
from proxmo.audit.scores import Resampled
from proxmo.audit.tables import JUDGED, between, figure_table, headline, tables_of, told, verdict
from proxmo.credit import Estimator
from proxmo.files import whole, write_text
from proxmo.pages.page import (
    PAGE,
    data_element,
    figure_element,
    packed_element,
    table_element,
    whole_page,
    write_tables,
)
from proxmo.pages.table import typeset


def write_audit(
    folder: AuditFolder,
    findings: Findings,
    records: Sequence[TaskRecord],
    estimators: Mapping[str, Estimator],
    *,
    tasks: int = 8,
) -> Path:
    """Write every step's truth, the scores, tables, figures and the page; the page's path.

    `findings` are of these `records` and `estimators`. `tasks` limits how many the credit view
    holds.
    """
    with whole(folder.truth_file) as path:
        pq.write_table(truth_rows(findings, records), path, compression="zstd")
    write_text(folder.scores_file, json.dumps(scores(findings, estimators), indent=2) + "\n")
    tables = {table.name: table for table in tables_of(findings)}
    figures = {figure.name: figure for figure in audit_figures(findings)}
    write_tables(folder.report, [*tables.values(), figure_table(findings)])
    for figure in figures.values():
        figure.save(folder.report / "figures")
    sections = []
    for name, drawn, listed in (
        ("methods", "methods", ("scores", "differences")),
        ("averaging", "averaging", ("averaging",)),
        ("noise", "noise", ("noise", "noise-differences")),
        ("steps", "scatter", ()),
    ):
        if drawn in figures:
            there = (table_element(tables[one]) for one in listed if one in tables)
            figure = f'<div class="figures">{figure_element(figures[drawn])}</div>'
            sections.append((name, figure + "".join(there)))
    sections.append(("credit", _credit(findings, records, tasks)))
    sections.append(("settings", _settings(folder, estimators)))
    script = (files("proxmo.audit") / "page.js").read_text(encoding="utf-8")
    title = f"Audit: {folder.folder.resolve().name}"
    page = folder.report / PAGE
    write_text(page, whole_page(title, _summary(findings), sections, script))
    return page


def truth_rows(findings: Findings, records: Sequence[TaskRecord]) -> pa.Table:
    """A row per audited step: where it is, what happened, what it was worth, and a column per
    method of what that gave it.

    Columns of the least noise are named as the method, those of more `<method>@<noise>`, as is a
    method whose name is a column's already.
    """
    truth = findings.truth
    sampled = [{run.trajectory: run for run in record.sampled} for record in records]
    where = [
        (records[task], sampled[task][trajectory], sampled[task][trajectory].first + step)
        for task, trajectory, step in zip(
            truth.task.tolist(), truth.trajectory.tolist(), truth.step.tolist(), strict=True
        )
    ]
    columns: dict[str, Any] = {
        "task": [record.task for record, _, _ in where],
        "task_type": [record.task_type for record, _, _ in where],
        "trajectory": truth.trajectory,
        "step": truth.step,
        "observation": [record.observation[row] for record, _, row in where],
        "action": [record.action[row] for record, _, row in where],
        "reward": [float(record.reward[row]) for record, _, row in where],
        "valid": [bool(record.valid[row]) for record, _, row in where],
        "success": [run.success for _, run, _ in where],
        "value": truth.value,
        "advantage": truth.advantage,
        "error": truth.error,
        "half_0": truth.halves[0],
        "half_1": truth.halves[1],
        "continuations": truth.continuations,
    }
    for (method, noise), one in findings.judgements.items():
        plainly = noise == findings.noises[0] and method not in columns
        columns[method if plainly else f"{method}@{noise:g}"] = one.advantage
    return pa.table(columns)


def scores(findings: Findings, estimators: Mapping[str, Estimator]) -> dict[str, Any]:
    """All figures with their intervals, as plain data; null where one is undefined."""
    truth = findings.truth
    return {
        "steps": len(truth),
        "tasks": len(np.unique(truth.task)),
        "left_out": truth.left_out,
        "gamma": findings.gamma,
        "reliability": _interval(findings.reliability),
        "clear": findings.clear,
        "options": {name: _options(estimator) for name, estimator in estimators.items()},
        "methods": [_scores(one) for one in findings.judgements.values()],
        "differences": [
            _difference(findings.of(findings.methods[0], one.noise), one)
            for one in findings.judgements.values()
            if one.method != findings.methods[0]
        ],
    }


def _scores(one: Judgement) -> dict[str, Any]:
    figures = {name: _interval(getattr(one, name)) for name in JUDGED}
    return {"method": one.method, "noise": one.noise, **figures, "silent": one.silent}


def _difference(first: Judgement, other: Judgement) -> dict[str, Any]:
    """The first method less the other, paired over tasks."""
    differences = {
        name: getattr(first, name) - getattr(other, name)
        for name in ("correlation", "expected_correlation")
    }
    return {
        "first": first.method,
        "other": other.method,
        "noise": other.noise,
        **{
            name: _interval(found) | {"verdict": verdict(found)}
            for name, found in differences.items()
        },
    }


def _interval(figure: Resampled) -> dict[str, Any]:
    low, high = figure.interval
    named = {"value": figure.value, "low": low, "high": high}
    return {name: end if math.isfinite(end) else None for name, end in named.items()}


def _options(estimator: Estimator) -> dict[str, Any]:
    """An estimator's class and options, as plain data."""
    options = (
        {field.name: getattr(estimator, field.name) for field in dataclasses.fields(estimator)}
        if dataclasses.is_dataclass(estimator)
        else {}
    )
    return {"class": type(estimator).__name__, **{k: _plain(v) for k, v in options.items()}}


def _plain(value: Any) -> Any:
    """A value as JSON has it; what JSON has not, by its name."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    return getattr(value, "__qualname__", None) or str(value)


def _summary(findings: Findings) -> str:
    """What was audited, which method says most of it, and a sentence per difference."""
    best = max(
        (findings.of(method) for method in findings.methods), key=lambda one: one.correlation.value
    )
    text = (
        f"<p>{escape(headline(findings))} {escape(best.method)} agrees best with the truth: "
        f"correlation {escape(typeset(told(best.correlation)))} "
        f"({escape(typeset(between(best.correlation)))}).</p>"
    )
    first = findings.of(findings.methods[0])
    items = "".join(_finding(first, findings.of(method)) for method in findings.methods[1:])
    text += f'<ul class="findings">{items}</ul>' if items else ""
    return text + (
        '<p class="soft">Beside this page: figures/ as PNG and SVG, tables/ as Markdown and CSV; '
        "in the folder above, truth.parquet with every step and scores.json with every figure.</p>"
    )


def _finding(first: Judgement, other: Judgement) -> str:
    """How much better than another method the first one agrees with the truth."""
    difference = first.correlation - other.correlation
    found = verdict(difference)
    style = found if found in ("better", "worse") else "soft"
    figure = typeset(
        f"{told(difference, sign=True)} (95\u00a0% interval {between(difference, sign=True)})"
    )
    return (
        f"<li>{escape(first.method)} − {escape(other.method)}: correlation {escape(figure)}: "
        f'<span class="{style}">{f"difference {found}" if style == "soft" else found}</span></li>'
    )


def _credit(findings: Findings, records: Sequence[TaskRecord], tasks: int) -> str:
    """The credit view: an index of tasks, and each task compressed."""
    views = task_views(findings, records, tasks)
    index = judged(findings) | {"tasks": [view.entry for view in views]}
    packed = "".join(
        packed_element(f"task-{number}", view.data) for number, view in enumerate(views)
    )
    names = ("task", "method", *(["noise"] if len(findings.noises) > 1 else []))
    picks = "".join(f'<label>{name}<select id="pick-{name}"></select></label>' for name in names)
    return f"""
<p>The audited trajectories of a task side by side. Each step shows what the agent did and, below,
the observation that it did it on; then what the method gave it, and what it was really worth with
its standard error. Colour is each of the two in its own standard deviations over all audited steps:
where the colours differ, the method is wrong. A step that is clearly worth something and whose sign
the method has not got has a thick edge. A struck-out action was invalid. Click a step to see what
all methods gave it.</p>
<div class="controls">{picks}</div>
<p id="about-task" class="soft"></p>
<div class="scale"><span>−2 sd</span><i></i><span>+2 sd</span> advantage</div>
<div class="workbench">
<div id="trajectories" class="trajectories" tabindex="0" aria-label="Trajectories"></div>
<aside id="detail" aria-live="polite"></aside>
</div>
{data_element("audit", index)}{packed}"""


def _settings(folder: AuditFolder, estimators: Mapping[str, Estimator]) -> str:
    """What was played, and how each method was set."""
    text = ""
    if folder.settings_file.is_file():
        played = json.dumps(folder.read_settings(), indent=2, ensure_ascii=False)
        text = f"<p>What was played:</p><pre>{escape(played)}</pre>"
    options = "\n".join(
        f"{name}: {told.pop('class')}({', '.join(f'{k}={v!r}' for k, v in told.items())})"
        for name, told in ((name, _options(made)) for name, made in estimators.items())
    )
    return f"{text}<p>The methods:</p><pre>{escape(options)}</pre>"
