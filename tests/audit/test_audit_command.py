"""`proxmo audit`, from the command line to what it leaves in its folder."""

import json

import pyarrow.parquet as pq
import pytest
from parity import save_model

from proxmo import cli


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("audited") / "model"
    save_model(folder)
    return folder


@pytest.fixture
def audit(model, tmp_path, capsys):
    out = tmp_path / "audit"

    def run(*options, env="parity:SPEC"):
        small = ["--tasks", "3", "--group-size", "4", "--continuations", "4", "--jobs", "1"]
        code = cli.main(
            ["audit", "--model", str(model), "--env", env, "--out", str(out), *small, *options]
        )
        told = capsys.readouterr()
        return code, told.out + told.err, out

    return run


def tasks_of(folder):
    return {file.name: file.read_bytes() for file in sorted((folder / "tasks").iterdir())}


def test_an_audit_says_what_steps_were_worth_and_who_sees_it(audit):
    code, told, out = audit("--methods", "proxmo", "grpo", "gigpo:step_weight=2")
    assert code == 0, told
    assert f"report: {out / 'report' / 'report.html'}" in told
    assert "gigpo:step_weight=2" in told
    table = pq.read_table(out / "truth.parquet").to_pydict()
    assert len(table["advantage"]) == 3 * 2 * 3  # tasks, audited episodes, steps
    assert len(set(table["task"])) == 3
    assert {"proxmo", "grpo", "gigpo:step_weight=2"} <= table.keys()
    assert max(table["error"]) > 0
    scores = json.loads((out / "scores.json").read_text())
    assert "grpo" in json.dumps(scores)
    assert not any(bad in (out / "scores.json").read_text() for bad in ("NaN", "Infinity"))


def test_what_was_played_is_not_played_again(audit, monkeypatch):
    code, told, out = audit("--methods", "grpo")
    assert code == 0, told
    before = tasks_of(out)
    file = sorted((out / "tasks").iterdir())[0]
    file.unlink()  # as if it had been stopped before this one
    monkeypatch.setattr("proxmo.audit.workers.audit_task", counted := _Counted())
    code, told, _ = audit("--methods", "rloo", "grpo", "--noise", "0", "1")
    assert code == 0, told
    assert counted.tasks == 1
    after = tasks_of(out)
    assert after.keys() == before.keys()
    assert sum(after[name] != before[name] for name in after) <= 1  # but for how long it took
    code, told, _ = audit("--methods", "grpo", "--tasks", "4")
    assert code == 0, told
    assert len(tasks_of(out)) == 4


class _Counted:
    def __init__(self):
        from proxmo.audit.play import audit_task

        self.tasks, self.play = 0, audit_task

    def __call__(self, *arguments):
        self.tasks += 1
        return self.play(*arguments)


def test_two_processes_play_what_one_does(audit, tmp_path):
    code, told, out = audit("--methods", "grpo")
    assert code == 0, told
    other = tmp_path / "other"
    code, told, _ = audit("--methods", "grpo", "--jobs", "2", "--out", str(other))
    assert code == 0, told
    names = ("task", "trajectory", "step", "action", "value", "advantage", "error", "grpo")
    one, two = (pq.read_table(folder / "truth.parquet").select(names) for folder in (out, other))
    assert one.equals(two)


@pytest.mark.parametrize(
    ("option", "told"),
    [
        (("--seed", "1"), "was begun with seed 0, and is now asked for 1"),
        (("--continuations", "6"), "was begun with continuations 4"),
        (("--max-steps", "2"), "was begun with max_steps 3"),
        (("--split", "test"), "was begun with split 'valid'"),
    ],
)
def test_another_audit_in_the_same_folder_is_refused(audit, option, told):
    assert audit("--methods", "grpo")[0] == 0
    code, said, _ = audit("--methods", "grpo", *option)
    assert code == 2
    assert told in said


def test_a_folder_of_something_else_is_refused(audit, tmp_path):
    (tmp_path / "audit").mkdir()
    (tmp_path / "audit" / "thesis.tex").write_text("years of work")
    code, said, _ = audit("--methods", "grpo")
    assert code == 2
    assert "is in use for something else" in said


def test_a_policy_that_never_succeeds_is_told_so(audit):
    code, told, out = audit("--methods", "grpo", "proxmo", env="parity:HOPELESS")
    assert code == 0, told
    assert (out / "report" / "report.html").is_file()
    scores = (out / "scores.json").read_text()
    assert "NaN" not in scores


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--methods", "proxmoo"), "choose one of"),
        (("--methods", "proxmo:lam=2"), "lam is 2"),
        (("--continuations", "5"), "continuations is 5"),
        (("--tasks", "1"), "--tasks"),
        (("--noise", "2"), "--noise"),
        (("--reward", "score"), "gives no score"),
    ],
)
def test_bad_input_is_a_sentence(audit, options, told):
    code, said, _ = audit(*options)
    assert code == 2
    assert told in said
    assert "Traceback" not in said
