"""What a reader of the tables and of the learning curve gets to see."""

import io
import re
from dataclasses import replace

import matplotlib.image
import pytest
from rich.console import Console

from proxmo.envs.spec import EnvSpec
from proxmo.evaluation.curve import CurvePoint, plot_learning_curve
from proxmo.evaluation.report import comparison_table, evaluation_table
from proxmo.evaluation.scores import Evaluation, Score

SPEC = EnvSpec("doors", "doors:Doors", "doors:load_tasks", task_types={"pick": "Pick up"})


def score(successes, episodes):
    return Score(
        episodes, successes, low=0.1, high=0.9, steps=12.34, invalid=0.056, cut=0.0, errors=0
    )


def lines(table, width=120):
    console = Console(file=io.StringIO(), width=width)
    console.print(table)
    return console.file.getvalue().splitlines()  # type: ignore[attr-defined]


def test_an_evaluation_has_a_row_per_type_and_one_for_all():
    scored = Evaluation(score(3, 4), {"heat": score(1, 2), "pick": score(2, 2)})
    told = lines(evaluation_table(scored, "title", SPEC))
    row = next(line for line in told if "all" in line)
    assert [part in row for part in ("4", "75.0%", "10 to 90", "12.3", "5.6%")] == [True] * 5
    assert any("heat" in line and "50.0%" in line for line in told)


def test_a_task_type_of_which_every_episode_broke_off_has_its_row_and_cuts_their_column():
    overall = replace(score(3, 4), cut=0.125, errors=2)
    scored = Evaluation(overall, {"heat": replace(score(3, 4), cut=0.125)}, {"pick": 2})
    told = lines(evaluation_table(scored, "title", SPEC))
    cells = {row[0]: row[1:] for line in told if (row := re.findall(r"[^│┃]*[^│┃ ]", line))}
    rows = {name.strip(): [cell.strip() for cell in cells[name]] for name in cells}
    assert rows["task type"][-2:] == ["cut prompts", "errors"]
    assert rows["Pick up"] == ["0", "2"]
    assert rows["heat"][-2:] == ["12.5%", "0"]
    assert rows["all"][-2:] == ["12.5%", "2"]


@pytest.mark.parametrize("width", [80, 120])
def test_the_name_of_a_task_type_is_never_cut(width):
    name = "pick_clean_then_place_in_recep"
    told = lines(
        evaluation_table(Evaluation(score(1, 4), {name: score(1, 4)}), "title", SPEC), width
    )
    first = [line.split("│")[1].strip() for line in told if line.startswith("│")]
    assert "".join(first) == f"{name}all"


def test_a_comparison_tells_the_gain_in_points():
    before = Evaluation(score(1, 4), {"heat": score(1, 4)})
    after = Evaluation(score(3, 4), {"heat": score(3, 4), "pick": score(0, 4)})
    told = lines(comparison_table(before, after, "title", SPEC))
    assert any("heat" in line and "25.0%" in line and "+50.0" in line for line in told)
    assert any("Pick up" in line and "not seen" in line for line in told)


@pytest.mark.parametrize(
    ("training", "evaluations"),
    [
        ([(1, 0.1), (2, 0.4)], [CurvePoint(0, 0.1, 0.05, 0.2), CurvePoint(2, 0.4, 0.3, 0.5)]),
        ([], [CurvePoint(0, 0.1, 0.05, 0.2)]),
        ([(1, 0.0)], []),
        ([], []),
    ],
)
def test_a_learning_curve_is_a_picture_that_is_not_blank(tmp_path, training, evaluations):
    path = tmp_path / "curve.png"
    plot_learning_curve(path, training, evaluations, title="Title")
    pixels = matplotlib.image.imread(path)
    assert pixels.shape[:2] == (720, 1200)
    assert pixels.min() < 0.5 < pixels.max()
