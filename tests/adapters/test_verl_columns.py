"""Rows to credit and settings, which need no verl."""

import pyarrow.parquet
import pytest
from new_method import Twice
from toy_env import register_toy

import proxmo
from proxmo.adapters.columns import COLUMN, row_column
from proxmo.adapters.tasks import place_tasks, task_at
from proxmo.adapters.verl import data
from proxmo.adapters.verl.columns import credit_rows
from proxmo.adapters.verl.settings import read_settings
from proxmo.envs.alfworld.generator.games import generate_games, write_games
from proxmo.errors import InputError
from proxmo.types import Step


def row(observation, reward, success, error=None):
    return {COLUMN: row_column(Step(observation, "", "", "", reward, True), success, error)}


ROWS = {
    "a_0_0": row("x", 0.0, True),
    "a_0_1": row("y", 10.0, True),
    "a_1_0": row("x", 0.0, False),
    "a_1_10": row("z", 0.0, False),
    "a_1_9": row("x", 0.0, False),
}


def test_rows_in_any_order_with_padding_get_the_same_credit():
    credit = proxmo.ProxMO()
    plain = credit_rows(credit, list(ROWS), [{}] * 5, list(ROWS.values())).advantages
    keys = ["pad7_0_0", *reversed(ROWS)]
    tags = [{"is_padding": True}] + [{}] * 5
    fields = [ROWS["a_0_0"], *reversed(ROWS.values())]
    mixed = credit_rows(credit, keys, tags, fields).advantages
    assert mixed.tolist() == [0.0, *reversed(plain.tolist())]


def test_rows_of_an_episode_that_failed_get_nothing_and_change_nothing():
    credit = proxmo.ProxMO()
    plain = credit_rows(credit, list(ROWS), [{}] * 5, list(ROWS.values())).advantages
    more = ROWS | {"a_2_0": row("x", 0.0, False, "OSError: gone"), "b_0_0": row("x", 9.0, True)}
    more |= {"b_1_0": row("x", 0.0, False, "OSError: gone")}
    result = credit_rows(credit, list(more), [{}] * 8, list(more.values()))
    assert result.advantages.tolist() == [*plain.tolist(), 0.0, 0.0, 0.0]
    assert result.credit.diagnostics["rollout/errors"] == 2


def test_a_row_of_another_agent_loop_is_named():
    with pytest.raises(InputError, match=r"row 'b_0_0'.*default_agent_loop=proxmo"):
        credit_rows(proxmo.ProxMO(), ["b_0_0"], [{}], [{"turn_scores": []}])


def test_settings_are_the_papers_unless_told_otherwise():
    settings = read_settings({})
    assert settings.estimator == proxmo.ProxMO()
    assert (settings.style, settings.history) == ("think", 2)
    given = {"method": "gigpo", "credit": {"gamma": 0.9}, "max_steps": 15}
    assert read_settings({"proxmo": given}).estimator == proxmo.GiGPO(gamma=0.9)


def test_a_new_method_with_new_options_needs_no_line_of_an_adapter(monkeypatch):
    monkeypatch.setitem(proxmo.CREDIT, "twice", Twice)
    given = {"method": "twice", "credit": {"factor": 3.0, "names": ("a",)}}
    estimator = read_settings({"proxmo": given}).estimator
    assert estimator == Twice(3.0, ["a"])  # type: ignore[arg-type]
    rows = {name: ROWS[name] for name in ("a_0_0", "a_0_1", "a_1_0")}
    credited = credit_rows(estimator, list(rows), [{}] * 3, list(rows.values()))
    assert credited.advantages.tolist() == [1.0, 31.0, 1.0]
    with pytest.raises(InputError, match="no option 'gamma'"):
        read_settings({"proxmo": {"method": "twice", "credit": {"gamma": 1.0}}})


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"max_step": 3}, "did you mean 'max_steps'"),
        ({"method": "ppo"}, "'ppo'"),
        ({"style": "short"}, "'short'"),
        ({"history": -1}, "-1"),
        ({"max_steps": 0}, "max_steps is 0"),
        ({"noise": 1.5}, "noise is 1.5"),
    ],
)
def test_settings_that_cannot_be_are_refused(given, message):
    with pytest.raises(InputError, match=message):
        read_settings({"proxmo": given})


def test_tasks_go_to_a_file_and_come_back(tmp_path, capsys):
    out = tmp_path / "folder" / "train.parquet"
    given = ["--env", "alfworld", "--split", "train", "--count", "3", "--out", str(out)]
    assert data.main(given) == 0
    assert "3 tasks of alfworld" in capsys.readouterr().out
    rows = pyarrow.parquet.read_table(out).to_pylist()
    tasks = [task_at(row["extra_info"]) for row in rows]
    assert [task.id for task in tasks] == [row["extra_info"]["task"] for row in rows]
    assert [row["data_source"] for row in rows] == [f"alfworld/{t.task_type}" for t in tasks]
    assert [row["extra_info"]["index"] for row in rows] == [0, 1, 2]


def test_a_bad_split_is_explained(tmp_path, capsys, monkeypatch):
    monkeypatch.delenv("ALFWORLD_DATA", raising=False)
    with pytest.raises(SystemExit):
        data.main(["--env", "alfworld", "--split", "tset", "--out", str(tmp_path / "x")])
    assert "tset" in capsys.readouterr().err


def test_another_task_at_the_same_place_is_refused():
    register_toy()
    [(_, place), *_] = place_tasks("colours", "train", count=2)
    with pytest.raises(InputError, match="same tasks"):
        task_at(place | {"task": "another"})
    with pytest.raises(InputError, match="same tasks"):
        task_at(place | {"index": 2})


def test_the_same_number_in_another_catalog_is_another_task(monkeypatch):
    monkeypatch.delenv("WEBSHOP_DATA", raising=False)
    (task, place), *_ = place_tasks("webshop", "train", count=20)
    assert task_at(place).id == task.id
    with pytest.raises(InputError, match="same tasks"):
        task_at(place | {"seed": 1})


def test_a_place_tells_where_the_data_is_and_not_how_it_was_found(tmp_path, monkeypatch):
    write_games(generate_games(0, 2), tmp_path / "games")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ALFWORLD_DATA", "games")
    (_, place), *_ = place_tasks("alfworld", "train")
    assert place["path"] == str(tmp_path / "games")


def test_no_task_at_all_is_refused():
    with pytest.raises(InputError, match="count is 0; give at least 1"):
        place_tasks("webshop", "train", count=0)
