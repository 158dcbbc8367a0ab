"""What an audit's tables, figures and files say."""

import csv
import io
import json
import re
import warnings
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from audited import NASTY, RECORDS, UNDEFINED, WORTH, figure, found
from matplotlib.colors import to_rgb
from matplotlib.image import imread
from rich.console import Console

from proxmo import GRPO, ProxMO
from proxmo.audit.credit_view import task_views
from proxmo.audit.figures import audit_figures
from proxmo.audit.folder import AuditFolder
from proxmo.audit.report import truth_rows, write_audit
from proxmo.audit.scores import Resampled
from proxmo.audit.tables import (
    between,
    figure_table,
    headline,
    noise_table,
    paired_noise_table,
    paired_table,
    score_table,
    summary,
    tables_of,
    verdict,
)
from proxmo.pages.figure import COLOURS, NARROW, WIDE

ESTIMATORS = {"first": ProxMO(lam=0.5), "wrong": GRPO(), "still": GRPO()}


def row(table, name):
    return next(line for line in table.rows if line[0] == name)


def test_a_method_is_told_with_its_intervals():
    told = row(score_table(found()), "first")
    correlation, expected = ("0.50", "0.31 to 0.69"), ("0.90", "0.71 to 1.09")
    assert told == ("first", *correlation, "0.60", "0.00", "50", *expected, "25", "0")


def test_what_is_undefined_is_a_dash():
    told = dict(zip(score_table(found()).columns, row(score_table(found()), "still"), strict=True))
    assert (told["correlation"], told["expected"], told["silent, %"]) == ("0.00", "–", "100")
    # The interval of the expected correlation, which is the last of the two.
    assert told["95 % interval"] == "–"


def test_every_column_is_explained():
    for table in tables_of(found((0.0, 1.0))):
        told = [c.removesuffix(", %") for c in table.columns[1:]]
        told = [name.partition(":")[0] for name in told]
        named = {name for name in told if name.split()[0] not in ("noise", "95", "verdict")}
        assert all(name.capitalize() in table.note for name in named), table.name


def test_differences_are_paired_and_judged_by_their_interval():
    table = paired_table(found())
    # In every resample `first` is 0.3 ahead; of expected credit the resamples go against each
    # other, and 0.1 is not shown.
    better, not_shown = ("+0.300", "+0.300 to +0.300", "better"), ("+0.100", "-0.280 to +0.480")
    assert row(table, "first − wrong") == ("first − wrong", *better, *not_shown, "not shown")
    assert row(table, "first − still")[1:4] == ("+0.500", "+0.310 to +0.690", "better")
    assert row(table, "first − still")[4:] == ("–", "–", "not known")


def test_the_first_method_alone_has_no_differences():
    findings = found()
    alone = replace(findings, judgements={("first", 0.0): findings.of("first")})
    assert [table.name for table in tables_of(alone)] == ["scores", "averaging"]


def test_noise_has_tables_only_where_there_is_more_than_one():
    assert [table.name for table in tables_of(found((0.5,)))] == [
        "scores",
        "averaging",
        "differences",
    ]
    findings = found((0.0, 1.0))
    names = [table.name for table in tables_of(findings)]
    assert names == ["scores", "averaging", "differences", "noise", "noise-differences"]
    assert row(noise_table(findings), "first") == (
        *("first", "0.50 (0.31 to 0.69)", "0", "0.25 (0.06 to 0.44)", "0"),
    )
    assert row(paired_noise_table(findings), "first − still")[3:] == (
        *("+0.250 (+0.060 to +0.440)", "better"),
    )
    assert score_table(findings).title == "Credit against the truth, noise 0"


def test_negative_numbers_in_brackets_have_a_minus_sign():
    findings = found((0.0, 1.0))
    findings.judgements["first", 1.0] = replace(findings.of("first", 1.0), correlation=figure(-0.3))
    assert "−0.30 (−0.49 to −0.11)" in noise_table(findings).markdown()


def test_every_figure_is_in_one_file():
    lines = list(csv.DictReader(io.StringIO(figure_table(found((0.0, 1.0))).csv())))
    assert len(lines) == 3 * 2 * 7
    told = next(
        line
        for line in lines
        if (line["method"], line["noise"], line["figure"]) == ("first", "1", "correlation")
    )
    assert float(told["value"]) == 0.25
    assert (float(told["low"]), float(told["high"])) == pytest.approx((0.06, 0.44))


def test_the_headline_says_what_was_audited_and_how_well_it_is_known():
    told = headline(found())
    assert told.startswith("9 steps of 3 tasks were played on from.")
    assert "discounted by 0.95" in told
    assert "reliability 0.62 (0.43 to 0.81; 1 would be exactly); 67 % of them" in told
    findings = found()
    cut = replace(findings, truth=replace(findings.truth, left_out=2))
    assert headline(cut).endswith("2 more could not be judged.")


@pytest.mark.parametrize("width", [60, 80, 120])
def test_a_terminal_of_any_width_shows_every_method_and_figure(width):
    console = Console(width=width, record=True, file=io.StringIO())
    for part in summary(found((0.0, 1.0))):
        console.print(part)
    told = console.export_text()
    assert all(len(line) <= width for line in told.splitlines())
    for word in ("first", "wrong", "still", "better", "shown"):
        assert word in told
    assert "…" not in told


def test_figures_are_drawn_wide_and_narrow_whatever_is_undefined():
    findings = found((0.0, 0.5, 1.0))
    findings.judgements["wrong", 0.0] = replace(
        findings.of("wrong"), correlation=figure(-0.9), expected_correlation=figure(4.6)
    )
    findings.judgements["still", 0.5] = replace(
        findings.of("still", 0.5), correlation=UNDEFINED, sign=UNDEFINED
    )
    figures = audit_figures(findings)
    assert [drawn.name for drawn in figures] == ["methods", "averaging", "noise", "scatter"]
    assert [drawn.name for drawn in audit_figures(found())] == ["methods", "averaging", "scatter"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for drawn in figures:
            for width in (WIDE, NARROW):
                assert drawn.inline(width).startswith("<svg")


def test_the_forest_says_which_figure_lies_beyond_it():
    findings = found()
    findings.judgements["first", 0.0] = replace(
        findings.of("first"), expected_correlation=figure(4.6)
    )
    canvas = audit_figures(findings)[0].draw(WIDE)
    (axes,) = canvas.axes
    right = axes.get_xlim()[1]
    assert right < 1.5
    (beyond,) = [line for line in axes.lines if line.get_marker() == ">"]
    assert np.max(beyond.get_xdata()) < right


def test_every_audited_step_is_in_the_file_of_the_truth(tmp_path):
    folder = AuditFolder(tmp_path)
    write_audit(folder, found((0.0, 0.5)), RECORDS, ESTIMATORS)
    lines = pq.read_table(folder.truth_file).to_pylist()
    assert len(lines) == 9
    assert lines[4] == {
        "task": "task/hall-1",
        "task_type": "hall",
        "trajectory": 0,
        "step": 1,
        "observation": NASTY,
        "action": "go",
        "reward": 0.0,
        "valid": False,
        "success": True,
        "value": 3.0,
        "advantage": -2.0,
        "error": 0.3,
        "half_0": -2.1,
        "half_1": -1.9,
        "continuations": 16,
        "first": -2.0,
        "wrong": 2.0,
        "still": 0.0,
        "first@0.5": -2.0,
        "wrong@0.5": 2.0,
        "still@0.5": 0.0,
    }


def test_a_method_named_like_a_column_does_not_hide_it():
    findings = found()
    one = findings.of("wrong")
    named = replace(findings, judgements={("value", 0.0): replace(one, method="value")})
    table = truth_rows(named, RECORDS)
    assert table["value"].to_pylist()[:3] == [2.0, 3.0, 1.0]
    assert table["value@0"].to_pylist()[:3] == [-1.0, 2.0, -0.1]


def test_scores_hold_every_figure_as_plain_data(tmp_path):
    folder = AuditFolder(tmp_path)
    write_audit(folder, found(), RECORDS, ESTIMATORS)
    told = json.loads(folder.scores_file.read_text(), parse_constant=pytest.fail)
    assert (told["steps"], told["tasks"], told["left_out"]) == (9, 3, 0)
    first, _, still = told["methods"]
    assert (first["method"], first["noise"], first["silent"]) == ("first", 0.0, 0.0)
    assert first["correlation"] == pytest.approx({"value": 0.5, "low": 0.31, "high": 0.69})
    assert still["expected_correlation"] == {"value": None, "low": None, "high": None}
    difference = told["differences"][0]
    assert (difference["first"], difference["other"]) == ("first", "wrong")
    assert difference["correlation"]["value"] == pytest.approx(0.3)
    assert difference["correlation"]["verdict"] == "better"
    assert told["options"]["first"]["class"] == "ProxMO"
    assert told["options"]["first"]["lam"] == 0.5


def test_an_estimator_of_ones_own_is_told_by_its_name_and_options(tmp_path):
    @dataclass
    class Mine:
        weigh: Any = len
        far: float = float("inf")

        def __call__(self, steps):
            raise NotImplementedError

    folder = AuditFolder(tmp_path)
    write_audit(folder, found(), RECORDS, {"first": Mine(), "wrong": GRPO().__call__})
    told = json.loads(folder.scores_file.read_text(), parse_constant=pytest.fail)["options"]
    assert told["first"] == {"class": "Mine", "weigh": "len", "far": "inf"}
    assert told["wrong"] == {"class": "method"}


def test_page_figures_and_tables_lie_in_the_report(tmp_path):
    folder = AuditFolder(tmp_path / "mine")
    folder.begin({"model": "<b>policy</b>", "seed": 0})
    page = write_audit(folder, found((0.0, 1.0)), RECORDS, ESTIMATORS)
    assert page == folder.report / "report.html"
    names = {path.relative_to(folder.report).as_posix() for path in folder.report.rglob("*.*")}
    assert names == {
        "report.html",
        *(
            f"figures/{name}.{s}"
            for name in ("methods", "averaging", "noise", "scatter")
            for s in ("png", "svg")
        ),
        *(
            f"tables/{name}.{s}"
            for name in (
                "scores",
                "averaging",
                "differences",
                "noise",
                "noise-differences",
                "figures",
            )
            for s in ("md", "csv")
        ),
    }
    text = page.read_text()
    assert "<title>Audit: mine</title>" in text
    assert "first agrees best with the truth: correlation 0.50 (0.31 to 0.69)." in text
    assert "first − wrong: correlation +0.300 (95\u00a0% interval +0.300 to +0.300)" in text
    assert "&lt;b&gt;policy&lt;/b&gt;" in text
    assert "first: ProxMO(" in text
    assert "lam=0.5" in text


def test_tasks_that_half_the_episodes_solve_are_shown_first():
    views = task_views(found(), RECORDS, tasks=2)
    assert [view.entry["task"] for view in views] == ["task/hall-1", "task/hall-0"]
    (trajectory,) = views[0].data["trajectories"]
    assert [step[4] for step in trajectory["steps"]] == WORTH
    assert trajectory["steps"][1][8] == [-2.0, 2.0, 0.0]


def test_a_step_that_could_not_be_judged_has_no_truth():
    findings = found()
    truth = findings.truth
    kept = np.arange(9) != 4
    columns = ("task", "trajectory", "step", "value", "advantage", "error", "continuations")
    cut = {name: getattr(truth, name)[kept] for name in columns}
    less = replace(truth, **cut, halves=truth.halves[:, kept], left_out=1)
    judgements = {
        key: replace(one, advantage=one.advantage[kept]) for key, one in findings.judgements.items()
    }
    view = task_views(replace(findings, truth=less, judgements=judgements), RECORDS)[0]
    steps = view.data["trajectories"][0]["steps"]
    assert steps[1][4:] == [None, None, None, 0, None]
    assert steps[2][4] == 0.1


def test_every_step_is_a_dot_of_the_scatter(tmp_path):
    drawn = next(one for one in audit_figures(found()) if one.name == "scatter")
    # Three methods, nine steps each, as lines of no length with round ends.
    assert len(re.findall(r"M ([\d.]+) ([\d.]+) ?\n?L [\d.]+ \2", drawn.inline(WIDE))) >= 27
    drawn.save(tmp_path)
    seen = imread(tmp_path / "scatter.png")[..., :3]
    # The colours of the first two methods, paler as they are not opaque: two clear steps of each.
    for colour in COLOURS[:2]:
        tone = 0.7 * np.array(to_rgb(colour)) + 0.3
        columns = (np.abs(seen - tone).max(axis=2) < 0.02).any(axis=0)
        assert np.count_nonzero(np.diff(columns.astype(int)) == 1) == 2


def test_a_methods_name_is_drawn_as_it_is():
    findings = found((0.0, 1.0))
    name = "a$\\frac$:lam=0,temperature=0.05,gamma=0.9"
    judgements = {
        (name, noise): replace(findings.of("first", noise), method=name) for noise in (0.0, 1.0)
    }
    for drawn in audit_figures(replace(findings, judgements=judgements)):
        for width in (WIDE, NARROW):
            assert r"a$\frac$:lam=0," in drawn.inline(width)


def test_an_end_of_a_difference_that_rounds_to_zero_says_on_which_side_it_is():
    below = Resampled(-0.04, np.array([-0.08] * 9 + [-0.0002] * 9))
    assert between(below, sign=True) == "-0.080 to -0.000"
    assert verdict(below) == "worse"
