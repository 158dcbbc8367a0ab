"""The report of a comparison: one page that needs nothing else, figures, tables."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from importlib.resources import files
from pathlib import Path

from proxmo.comparison.credit_view import GroupView, group_views
from proxmo.comparison.figures import figures_of
from proxmo.comparison.file import FILE_NAME
from proxmo.comparison.plan import Plan
from proxmo.comparison.results import Check, Measure, Results, fairness_checks
from proxmo.comparison.tables import (
    budget_table,
    diagnostics_table,
    differences_table,
    final_table,
    per_seed_table,
    types_table,
)
from proxmo.errors import InputError
from proxmo.files import write_text
from proxmo.pages.figure import Figure
from proxmo.pages.page import (
    PAGE,
    data_element,
    figure_element,
    packed_element,
    table_element,
    whole_page,
    write_tables,
)
from proxmo.pages.table import NO_INTERVAL, Table, typeset


def write_report(plan: Plan, *, updates: int = 3, tasks: int = 4) -> Path:
    """Write page, figures and tables of what is finished to `report/`; the page's path.

    `updates` and `tasks` limit how many groups of each variant the credit view holds.
    """
    results = Results(plan)
    if not results.environments:
        raise InputError(
            f"no run of {plan.out} is finished: there is nothing to report yet; go on with: "
            f"proxmo compare {plan.out}"
        )
    folder = plan.out / "report"
    tables: list[Table] = []
    sections: list[tuple[str, str]] = []
    for environment in results.environments:
        own, figures = _tables(results, environment), figures_of(results, environment)
        tables += own
        for figure in figures:
            figure.save(folder / "figures")
        sections.append((environment, _environment(own, figures)))
    if len(results.environments) > 1:
        both = differences_table(results, results.environments)
        tables.append(both)
        sections.append(("all environments", table_element(both)))
    write_tables(folder, [*tables, per_seed_table(results)])
    views = group_views(results, updates=updates, tasks=tasks)
    sections.append(("credit", _credit(views)))
    sections.append(("fairness", _fairness(fairness_checks(results))))
    sections.append(("settings", _settings(plan)))
    write_text(folder / PAGE, _page(results, sections))
    return folder / PAGE


def _tables(results: Results, environment: str) -> list[Table]:
    tables = []
    for measure in results.measures(environment):
        tables.append(final_table(results, environment, measure))
        tables.append(differences_table(results, [environment], measure))
    tables += [
        types_table(results, environment),
        budget_table(results, environment),
        diagnostics_table(results, environment),
    ]
    return [table for table in tables if table.rows]


def _page(results: Results, sections: Sequence[tuple[str, str]]) -> str:
    script = files("proxmo.comparison") / "page.js"
    return whole_page(
        f"Comparison: {results.plan.out.name}",
        _summary(results),
        sections,
        script.read_text(encoding="utf-8"),
    )


def _summary(results: Results) -> str:
    """What came out, in a sentence per difference; what is missing."""
    plan = results.plan
    findings = [
        _finding(environment, measure, row)
        for environment in results.environments
        for measure in results.measures(environment)
        for row in differences_table(results, [environment], measure).rows
    ]
    finished = len(plan.runs) - len(results.unfinished)
    text = f"<p>{finished} of {len(plan.runs)} runs finished. Compared with {plan.reference}:</p>"
    text += f'<ul class="findings">{"".join(findings)}</ul>' if findings else ""
    text += (
        '<p class="soft">Beside this page: figures/ as PNG and SVG, tables/ as Markdown and CSV, '
        "with every evaluation of every run.</p>"
    )
    if results.unfinished:
        text += f'<p class="warning">{escape(_left_out(results))}</p>'
    return text


def _finding(environment: str, measure: Measure, row: Sequence[str]) -> str:
    """A line of the table of differences, as an item of a list."""
    difference, pairs, points, between, verdict, *_ = map(typeset, row)
    told = "difference not shown" if verdict == "not shown" else verdict
    style = verdict if verdict in ("better", "worse") else "soft"
    counted = f"{pairs} pair{'s' * (pairs != '1')} of runs"
    surely = f"95\u00a0% interval {between}, {counted}"
    if between == NO_INTERVAL:
        surely = f"{counted}, no interval"
    return (
        f"<li>{escape(environment)}, {measure.name}: {escape(difference)} = {escape(points)} "
        f'points ({escape(surely)}): <span class="{style}">{told}</span></li>'
    )


def _left_out(results: Results) -> str:
    """The unfinished runs: those that failed with their last words, the rest by variant."""
    waiting: dict[str, list[str]] = {}
    told = []
    for name in results.unfinished:
        if name in results.failures:
            told.append(f"{name} ({results.failures[name]})")
        else:
            variant, _, seed = name.rpartition("/seed-")
            waiting.setdefault(variant, []).append(seed)
    told += [
        f"{variant} seed{'s' if len(seeds) > 1 else ''} {', '.join(seeds)}"
        for variant, seeds in waiting.items()
    ]
    return f"Not finished, left out: {'; '.join(told)}"


def _environment(tables: Sequence[Table], figures: Sequence[Figure]) -> str:
    shown = "".join(figure_element(figure) for figure in figures)
    return f'<div class="figures">{shown}</div>' + "".join(table_element(table) for table in tables)


def _credit(views: Sequence[GroupView]) -> str:
    """The credit view: an index of groups, and each group compressed."""
    if not views:
        return "<p>No trajectories were kept (run.save_trajectories).</p>"
    index = []
    for number, view in enumerate(views):
        trajectories = view.data["trajectories"]
        index.append(
            {
                "id": f"group-{number}",
                "environment": view.environment,
                "variant": view.variant,
                "seed": view.seed,
                "update": view.update,
                "task": view.task,
                "type": view.data["type"],
                "solved": sum(trajectory["success"] for trajectory in trajectories),
                "members": len(trajectories),
            }
        )
    groups = "".join(
        packed_element(f"group-{number}", view.data) for number, view in enumerate(views)
    )
    picks = "".join(
        f'<label>{name}<select id="pick-{name}"></select></label>'
        for name in ("environment", "variant", "update", "task")
    )
    return f"""
<p>The trajectories of a group side by side. Each step shows what the agent did and, below, the
observation that it did it on; colour is the step's advantage, a struck-out action was invalid.
Click a step to see what its advantage is made of, and which states its baseline comes from.</p>
<div class="controls">{picks}</div>
<p id="about-group" class="soft"></p>
<div class="scale"><span id="scale-low"></span><i></i><span id="scale-high"></span> advantage</div>
<div class="workbench">
<div id="trajectories" class="trajectories" tabindex="0" aria-label="Trajectories"></div>
<aside id="detail" aria-live="polite"></aside>
</div>
{data_element("groups", index)}{groups}"""


def _fairness(checks: Sequence[Check]) -> str:
    verdicts = {
        True: ("better", "holds"),
        False: ("worse", "does not hold"),
        None: ("soft", "not known"),
    }
    rows = ""
    for check in checks:
        style, verdict = verdicts[check.holds]
        rows += (
            f'<tr><td>{escape(check.claim)}</td><td class="{style}">{verdict}</td>'
            f"<td>{escape(check.detail)}</td></tr>"
        )
    return (
        "<p>Looked up in what the runs recorded.</p>"
        f'<div class="scroll"><table><tbody>{rows}</tbody></table></div>'
    )


def _settings(plan: Plan) -> str:
    file = plan.out / FILE_NAME
    text = file.read_text(encoding="utf-8") if file.is_file() else ""
    return (
        "<p>To go on, or to make the report again, give <code>proxmo compare</code> the folder "
        f"<code>{escape(plan.out.name)}</code> in which this report's folder is. Its file:</p>"
        f"<pre>{escape(text)}</pre>"
    )
