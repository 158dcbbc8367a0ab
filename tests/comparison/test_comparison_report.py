"""What a comparison's tables, figures and page say."""

import csv
import dataclasses
import json
import re
import shutil

import numpy as np
import pytest
from made import FILE, NASTY, make_comparison
from matplotlib.figure import Figure

from proxmo import cli
from proxmo.comparison.credit_view import group_views
from proxmo.comparison.figures import figures_of, hundredths, steps_taken
from proxmo.comparison.jobs import check_folders
from proxmo.comparison.plan import load_plan
from proxmo.comparison.report import write_report
from proxmo.comparison.results import SCORE, Results, fairness_checks, trajectory_file
from proxmo.comparison.tables import differences_table, final_table, types_table
from proxmo.errors import InputError
from proxmo.pages.table import Table
from proxmo.training.run_folder import RunFolder
from proxmo.training.start import read_start, write_start


@pytest.fixture(scope="module")
def results(plan):
    return Results(plan)


@pytest.fixture
def broken(plan, tmp_path):
    """A copy of the comparison that a test may damage."""
    shutil.copytree(plan.out, tmp_path / "copy")
    return load_plan(tmp_path / "copy")


def row(table, name):
    return next(line for line in table.rows if line[0] == name)


def test_success_is_told_over_seeds_and_seed_by_seed(results):
    # Seeds 0, 1, 2 of proxmo solve 8, 9, 8 of 10.
    _, seeds, iqm, interval, spread, each = row(final_table(results, "alfworld"), "proxmo")
    assert (seeds, iqm, spread) == ("3", "83.3", "83.3 ± 5.8")
    assert interval == "80.0 to 90.0"
    assert each == "0: 80.0, 1: 90.0, 2: 80.0"
    assert row(final_table(results, "alfworld"), "cold-start")[2] == "30.0"


def test_task_types_stand_in_the_papers_layout(results):
    table = types_table(results, "alfworld")
    assert table.columns == ("variant", "Pick", "Look", "All")
    # Of 8 or 9 solved, tasks 0, 2, 4, 6, 8 are Pick: 4 or 5 of 5; Look: 4 of 5.
    assert row(table, "proxmo") == ("proxmo", "86.7 ± 11.5", "80.0 ± 0.0", "83.3 ± 5.8")


def test_webshop_is_told_by_score_and_success(broken):
    for run in [*broken.runs, *broken.cold_starts]:
        file = RunFolder(run.folder).evaluations_file
        lines = [json.loads(line) for line in file.read_text().splitlines()]
        for line in lines:
            line["overall"]["score"] = 0.75 if run.variant == "proxmo" else 0.5
        file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    results = Results(broken)
    table = types_table(results, "alfworld")
    assert table.columns == ("variant", "Score", "Success")
    assert row(table, "grpo") == ("grpo", "50.0 ± 0.0", "43.3 ± 5.8")
    assert row(final_table(results, "alfworld", SCORE), "proxmo")[2] == "75.0"
    difference = row(differences_table(results, ["alfworld"], SCORE), "proxmo − grpo")
    assert difference[1:5] == ("3", "+25.0", "+25.0 to +25.0", "better")
    page = write_report(broken, updates=1, tasks=1)
    assert "alfworld, score: proxmo − grpo = +25.0 points" in page.read_text()
    figures = {path.name for path in (page.parent / "figures").iterdir()}
    assert {"learning-score-alfworld.svg", "final-score-alfworld.png"} <= figures
    assert (page.parent / "tables" / "differences-score-alfworld.csv").is_file()


def test_differences_are_judged_by_their_interval(results):
    table = differences_table(results, ["alfworld"])
    # Every seed of proxmo solves four tasks more than that seed of grpo.
    assert row(table, "proxmo − grpo")[1:6] == ("3", "+40.0", "+40.0 to +40.0", "better", "100.0")
    assert row(table, "proxmo − proxmo-alpha-1.0")[1:5] == ("1", "+20.0", "–", "not shown")


def test_negative_numbers_have_a_minus_sign_to_read_and_a_hyphen_for_a_spreadsheet():
    table = Table("t", "T", ("a", "b"), (("proxmo-alpha-1.0", "-1.5 to -0.5"),))
    assert "| proxmo-alpha-1.0 | −1.5 to −0.5 |" in table.markdown()
    assert "proxmo-alpha-1.0,-1.5 to -0.5" in table.csv()


def test_fairness_is_looked_up_in_the_records(results, broken):
    assert all(check.holds for check in fairness_checks(results))
    run = next(run for run in broken.runs if run.variant == "grpo")
    other = next(r for r in broken.runs if (r.variant, r.seed) == ("grpo", 1))
    shutil.copy(trajectory_file(other, 1), trajectory_file(run, 1))
    unfair = [check for check in fairness_checks(Results(broken)) if not check.holds]
    assert [check.claim for check in unfair] == ["alfworld: the same tasks in the same order"]
    assert "seed-0 update 1" in unfair[0].detail


def test_runs_that_started_from_other_weights_are_unfair_and_unrecorded_ones_not_known(broken):
    folder = RunFolder(next(run.folder for run in broken.runs if run.variant == "grpo"))
    folder.write_digest("other weights")
    check = fairness_checks(Results(broken))[0]
    assert (check.holds, check.detail) == (False, "differs: alfworld/grpo/seed-0")
    RunFolder(broken.runs[-1].folder).digest_file.unlink()
    assert fairness_checks(Results(broken))[0].holds is False
    folder.digest_file.unlink()
    assert fairness_checks(Results(broken))[0].holds is None


def test_a_seed_that_started_from_other_weights_is_unfair_though_its_variants_agree(broken):
    for run in (*broken.cold_starts, *broken.runs):
        if run.seed == 1:
            RunFolder(run.folder).write_digest("other weights")
    check = fairness_checks(Results(broken))[0]
    assert check.holds is False
    assert "alfworld/proxmo/seed-1" in check.detail


def test_runs_on_other_data_or_of_another_version_are_unfair(broken):
    file = RunFolder(next(run.folder for run in broken.runs if run.variant == "grpo")).start_file
    began = read_start(file)
    assert began is not None
    write_start(file, dataclasses.replace(began, proxmo="0.0.1"))
    check = fairness_checks(Results(broken))[1]
    assert check.claim == "alfworld: the same data, one version of proxmo"
    assert (check.holds, "proxmo 0.0.1" in check.detail) == (False, True)
    write_start(file, dataclasses.replace(began, data="other"))
    assert "data other" in fairness_checks(Results(broken))[1].detail
    with pytest.raises(InputError, match="was begun with other data"):
        check_folders(broken)
    file.unlink()
    assert fairness_checks(Results(broken))[1].holds is None


def test_runs_among_other_noise_are_unfair(broken):
    file = RunFolder(next(run.folder for run in broken.runs if run.variant == "grpo")).start_file
    began = read_start(file)
    assert began is not None
    assert fairness_checks(Results(broken))[4].detail == "noise 0, reward success"
    env = {**began.settings["env"], "noise": 0.5}
    write_start(file, dataclasses.replace(began, settings={**began.settings, "env": env}))
    check = fairness_checks(Results(broken))[4]
    assert check.claim == "alfworld: the same settings of the environment"
    assert (check.holds, check.detail) == (False, "differs: noise 0.0 and 0.5")
    file.unlink()
    assert fairness_checks(Results(broken))[4].holds is None


def test_titles_tell_of_noise(tmp_path):
    plan = make_comparison(tmp_path / "noisy", FILE + "[base.env]\nnoise = 0.25\n")
    results = Results(plan)
    tables = [final_table(results, "alfworld"), differences_table(results, ["alfworld"])]
    assert [table.title for table in tables] == [
        "Success on unseen tasks, alfworld, noise 0.25",
        "Differences in success, alfworld, noise 0.25",
    ]


def test_a_damaged_list_of_failures_is_named(broken):
    (broken.out / "failures.json").write_text("[1]")
    with pytest.raises(InputError, match=r"failures\.json is damaged"):
        Results(broken)


def test_without_trajectories_it_is_not_known_whether_tasks_were_the_same(broken):
    for run in broken.runs:
        shutil.rmtree(RunFolder(run.folder).trajectories)
    check = fairness_checks(Results(broken))[2]
    assert check.claim == "alfworld: the same tasks in the same order"
    assert check.holds is None
    assert "not known" in write_report(broken).read_text()


def test_tables_and_figures_are_files(page):
    tables = {path.name for path in (page.parent / "tables").iterdir()}
    assert {"success-alfworld.md", "types-alfworld.csv", "differences-alfworld.md"} <= tables
    lines = list(csv.DictReader((page.parent / "tables" / "evaluations.csv").open()))
    found = [line for line in lines if (line["variant"], line["seed"]) == ("proxmo", "0")]
    assert [line["success"] for line in found if line["task type"] == "all"] == [
        "0.3000",
        "0.7000",
        "0.8000",
    ]
    figures = {path.name for path in (page.parent / "figures").iterdir()}
    names = ["learning", "efficiency", "final", "types", "ablation", "time", "diagnostics"]
    names.append("sensitivity-proxmo-credit-alpha")
    assert figures == {f"{name}-alfworld.{kind}" for name in names for kind in ("png", "svg")}


def test_environment_steps_are_those_of_the_updates_before_an_evaluation(results):
    # Two tasks, three trajectories each, three steps: 18 an update.
    records = results.of("alfworld", "proxmo")
    assert [steps_taken(records, update) for update in (0, 1, 2)] == [0, 18, 36]


def test_points_of_a_sweep_are_compared_over_the_seeds_that_all_have(results):
    # alpha 4 is proxmo itself, with seeds 0, 1, 2; alpha 1 was run with seed 0 alone.
    figure = next(f for f in figures_of(results, "alfworld") if f.name.startswith("sensitivity"))
    dots = [line for line in figure.draw(8.0).axes[0].lines if line.get_alpha() == 0.4]
    assert [np.size(line.get_ydata()) for line in dots] == [1, 1]


def test_ablations_are_shown_over_the_seeds_that_all_have(results):
    # The ablations were run with seeds 0 and 1, proxmo and grpo with 0, 1, 2.
    figure = next(f for f in figures_of(results, "alfworld") if f.name.startswith("ablation"))
    dots = [line for line in figure.draw(8.0).axes[0].lines if line.get_alpha() == 0.45]
    assert [np.size(line.get_ydata()) for line in dots] == [2] * 5


def test_a_sweep_whose_points_share_no_seed_has_no_figure(broken):
    shutil.rmtree(broken.out / "alfworld" / "proxmo" / "seed-0")  # alpha 1 was run with it alone
    names = [figure.name for figure in figures_of(Results(broken), "alfworld")]
    assert "learning-alfworld" in names
    assert not any(name.startswith("sensitivity") for name in names)


def test_hundredths_on_an_axis_are_not_rounded():
    axes = Figure().add_subplot()
    axes.set_ylim(0.52, 0.58)
    axes.set_yticks([0.525, 0.55])
    hundredths(axes.yaxis, "%")
    assert axes.yaxis.get_major_formatter().format_ticks([0.525, 0.55]) == ["52.5%", "55%"]


def test_the_page_needs_nothing_else_and_holds_no_markup_of_a_trajectory(page):
    text = page.read_text(encoding="utf-8")
    assert not re.search(r'(?:src|href)="(?!#)(?!data:)', text.replace("xlink:href", "href"))
    assert "onerror" not in text
    assert NASTY not in text
    ids = re.findall(r'\bid="([^"]+)"', text)
    assert len(ids) == len(set(ids))


def test_the_credit_view_shows_what_training_used(results):
    views = group_views(results, updates=1, tasks=1)
    assert {view.variant for view in views} == {v.name for v in results.plan.variants}
    assert all(view.data["verified"] for view in views)
    proxmo = next(view for view in views if view.variant == "proxmo").data
    for trajectory in proxmo["trajectories"]:
        for step in trajectory["steps"]:
            advantage, episode, part, returns, baseline, _ = step[5:]
            assert part == pytest.approx(returns - baseline, abs=1e-4)
            assert advantage == pytest.approx(episode + part, abs=1e-4)
    assert all(
        sum(s for _, s in states) == pytest.approx(1, abs=1e-4) for states in proxmo["neighbours"]
    )
    # GiGPO: the hall was seen by all three trajectories, and only the hall counts there.
    gigpo = next(view for view in views if view.variant == "gigpo").data
    assert gigpo["states"][0][:2] == ["You are in the hall.", 3]
    assert gigpo["neighbours"][0] == [[0, 1.0]]


def test_where_the_own_trajectory_is_left_out_the_credit_view_asks_for_each_anew(tmp_path):
    text = FILE.replace("credit.alpha", "credit.leave_one_out").replace("[1.0, 4.0]", "[true]")
    plan = make_comparison(tmp_path / "made", text)
    views = group_views(Results(plan), updates=1, tasks=1)
    view = next(view.data for view in views if view.data["left_out"])
    for number, trajectory in enumerate(view["trajectories"]):
        for step in trajectory["steps"]:
            part, returns, baseline, origin = step[7:]
            assert part == pytest.approx(returns - baseline, abs=1e-4)
            behind = view["neighbours"][origin]
            assert sum(share for _, share in behind) == pytest.approx(1, abs=1e-4)
            # The room that this trajectory alone was in counts for nothing.
            texts = [view["states"][state][0] for state, _ in behind]
            assert f"You are in room {number}." not in texts


def test_credit_that_is_worked_out_otherwise_is_told(broken):
    run = next(run for run in broken.runs if run.variant == "proxmo")
    other = next(r for r in broken.runs if (r.variant, r.seed) == ("grpo", 0))
    shutil.copy(trajectory_file(other, 1), trajectory_file(run, 1))
    views = group_views(Results(broken), updates=1, tasks=1)
    assert [view.variant for view in views if not view.data["verified"]] == ["proxmo"]


def test_unfinished_runs_are_named_and_left_out(broken):
    run = next(run for run in broken.runs if run.variant == "gigpo" and run.seed == 2)
    shutil.rmtree(run.folder)
    (broken.out / "failures.json").write_text(json.dumps({run.name: "exit code 1: <b>oh</b>"}))
    text = write_report(broken, updates=1, tasks=1).read_text()
    assert f"{run.name} (exit code 1: &lt;b&gt;oh&lt;/b&gt;)" in text
    assert len(Results(broken).of("alfworld", "gigpo")) == 2


def test_runs_that_wait_are_named_by_variant(broken):
    for run in broken.runs:
        if run.variant == "gigpo" and run.seed:
            shutil.rmtree(run.folder)
    text = write_report(broken, updates=1, tasks=1).read_text()
    assert "Not finished, left out: alfworld/gigpo seeds 1, 2</p>" in text
    assert f"<code>{broken.out.name}</code>" in text  # what goes on is this folder


def test_nothing_to_report_is_refused(tmp_path, capsys):
    (tmp_path / "comparison.toml").write_text("seeds = [0]")
    assert cli.main(["report", str(tmp_path)]) == 2
    assert "nothing to report yet" in capsys.readouterr().err
    assert cli.main(["report", str(tmp_path / "nowhere")]) == 2
