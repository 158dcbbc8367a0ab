"""Runs of a comparison start, fail, die and go on as they should; the trainer is a fake."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from proxmo.cold_start.demonstrations import Demonstrations
from proxmo.cold_start.recipe import recipe_of, write_recipe
from proxmo.commands import compare
from proxmo.comparison.jobs import jobs_of
from proxmo.comparison.plan import load_plan
from proxmo.comparison.runner import run_jobs, threads_for
from proxmo.config import SftConfig, load_config
from proxmo.envs import registry
from proxmo.errors import InputError, ProxmoError
from proxmo.training.run_folder import RunFolder

FAKE = Path(__file__).parent / "fake_proxmo.py"
FILE = """
out = "out"
seeds = [0, 1]
methods = ["grpo", "proxmo"]
[base.optim]
updates = 3
"""


def no_report(plan):
    """Reports have tests of their own."""
    return plan.out


class Place:
    """A folder with a comparison in it and a trainer that does as it is told."""

    def __init__(self, folder):
        self.folder, self.control, self.out = folder, folder / "control", folder / "out"
        self.control.mkdir()
        self.file = folder / "test.toml"
        self.file.write_text(FILE)
        self.command = [sys.executable, str(FAKE), str(self.control)]

    def tell(self, run, behaviour):
        (self.control / run.replace("/", ".")).write_text(behaviour)

    def compare(self, *options):
        compare.main([str(self.file), *options], command=self.command, report=no_report)

    def script(self, *options):
        code = f"from proxmo.commands.compare import main; main({[str(self.file), *options]!r}, "
        return [sys.executable, "-c", f"{code}command={self.command!r}, report=lambda plan: 0)"]

    def starts(self, key="run"):
        lines = (self.control / "starts").read_text().splitlines()
        return [line[key] for line in map(json.loads, lines) if key in line]

    def updates(self, run):
        lines = (self.out / run / "metrics.jsonl").read_text().splitlines()
        return [json.loads(line)["update"] for line in lines]


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    return Place(tmp_path)


RUNS = [f"alfworld/{method}/seed-{seed}" for seed in (0, 1) for method in ("grpo", "proxmo")]


def wait_for(condition):
    end = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def test_all_runs_are_made_seed_by_seed_from_one_policy(place):
    place.compare()
    assert place.starts() == [
        "alfworld/cold-start/policy",
        "alfworld/cold-start/seed-0",
        *RUNS[:2],
        "alfworld/cold-start/seed-1",
        *RUNS[2:],
    ]
    assert all(place.updates(run) == [1, 2, 3] for run in RUNS)


def test_the_first_evaluation_of_a_seed_is_made_once(place):
    place.compare("--jobs", "2")
    assert sorted(place.starts("evaluated")) == [
        "alfworld/cold-start/seed-0",
        "alfworld/cold-start/seed-1",
    ]
    for run in RUNS:
        lines = (place.out / run / "evaluations.jsonl").read_text().splitlines()
        assert [json.loads(line)["update"] for line in lines] == [0, 3]


def test_finished_runs_are_not_touched_again(place):
    place.compare()
    before = place.starts()
    place.compare()
    assert place.starts() == before


def test_cores_are_shared_out_between_runs(place, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: range(8))
    assert [threads_for(jobs) for jobs in (1, 3, 16)] == [8, 2, 1]
    place.compare("--jobs", "4")
    assert set(place.starts("threads")) == {"2"}


def test_a_run_that_fails_is_named_and_the_others_go_on(place, capsys):
    place.tell(RUNS[1], "fail")
    with pytest.raises(ProxmoError, match=r"1 of 7 jobs failed: alfworld/proxmo/seed-0") as error:
        place.compare()
    assert "exit code 3: error: the model did not like it" in str(error.value)
    assert not isinstance(error.value, InputError)  # exit code 1
    assert all(place.updates(run) == [1, 2, 3] for run in RUNS if run != RUNS[1])
    assert list(json.loads((place.out / "failures.json").read_text())) == [RUNS[1]]
    (place.control / RUNS[1].replace("/", ".")).unlink()
    place.compare()
    assert place.starts()[-1] == RUNS[1]
    assert json.loads((place.out / "failures.json").read_text()) == {}


def test_what_needs_a_failed_job_is_skipped_and_counted_not_named(place):
    place.tell("alfworld/cold-start/seed-0", "fail")
    with pytest.raises(ProxmoError, match="1 of 7 jobs failed") as error:
        place.compare()
    said = str(error.value)
    assert "2 more that need what failed did not start" in said
    assert RUNS[0] not in said
    (log,) = map(Path, re.findall(r"see (\S+\.log)", said))
    assert log == place.out / "logs/alfworld/cold-start/seed-0.log"
    assert log.is_file()
    assert RUNS[0] not in place.starts()
    recorded = json.loads((place.out / "failures.json").read_text())
    assert recorded[RUNS[0]] == "needs alfworld/cold-start/seed-0, which failed"


def test_bad_input_that_only_the_jobs_discover_is_bad_input(place):
    place.tell("alfworld/cold-start/policy", "refuse")
    with pytest.raises(InputError, match="1 of 7 jobs failed: alfworld/cold-start/policy") as error:
        place.compare()
    assert "exit code 2: error: there are no games in 'empty'" in str(error.value)
    assert "6 more that need what failed did not start" in str(error.value)


def test_what_broke_beside_bad_input_is_a_failure_while_running(place):
    place.tell(RUNS[0], "refuse")
    place.tell(RUNS[1], "fail")
    with pytest.raises(ProxmoError, match="2 of 7 jobs failed") as error:
        place.compare()
    assert not isinstance(error.value, InputError)
    assert "did not start" not in str(error.value)


def test_a_run_that_died_goes_on_where_it_was(place):
    place.tell(RUNS[0], "half")
    with pytest.raises(ProxmoError, match="killed by signal 9"):
        place.compare()
    assert place.updates(RUNS[0]) == [1]
    place.compare()
    assert place.updates(RUNS[0]) == [1, 2, 3]


def test_a_killed_comparison_goes_on_and_waits_for_the_run_it_left_behind(place):
    place.tell(RUNS[0], "wait")
    process = subprocess.Popen(place.script())
    wait_for(lambda: (place.control / "starts").exists() and RUNS[0] in place.starts())
    process.send_signal(signal.SIGKILL)
    process.wait()
    again = subprocess.Popen(place.script("--jobs", "2"))
    # The other run of the seed goes on meanwhile; the one left behind is not started twice.
    wait_for(lambda: RUNS[1] in place.starts())
    (place.control / RUNS[0].replace("/", ".")).unlink()
    assert again.wait() == 0
    assert place.starts().count(RUNS[0]) == 1
    assert all(place.updates(run) == [1, 2, 3] for run in RUNS)


def test_an_interrupted_comparison_ends_its_runs(place):
    place.tell(RUNS[0], "wait")
    process = subprocess.Popen(place.script(), stderr=subprocess.PIPE, text=True)
    wait_for(lambda: (place.control / "starts").exists() and RUNS[0] in place.starts())
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate()
    assert "interrupted; give the same command again" in said
    place.tell(RUNS[0], "")
    place.compare()  # the run's lock is free: it has ended
    assert place.starts().count(RUNS[0]) == 2


def test_two_comparisons_do_not_work_in_one_folder(place):
    place.tell(RUNS[0], "wait")
    process = subprocess.Popen(place.script())
    wait_for(lambda: (place.control / "starts").exists() and RUNS[0] in place.starts())
    place.file.write_text(FILE.replace("[0, 1]", "[0, 1, 2]"))
    with pytest.raises(InputError, match=r"the comparison in .* is in use by process \d+ on "):
        place.compare()
    assert (place.out / "comparison.toml").read_text() == FILE  # that of the one at work
    (place.control / RUNS[0].replace("/", ".")).unlink()
    assert process.wait() == 0


def test_a_file_that_grew_adds_runs_and_updates(place):
    place.compare()
    place.file.write_text(FILE.replace("updates = 3", "updates = 5").replace("[0, 1]", "[0, 1, 2]"))
    place.compare()
    assert place.updates(RUNS[0]) == [1, 2, 3, 4, 5]
    assert place.updates("alfworld/grpo/seed-2") == [1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (FILE + "kl = 0.5\n", "was begun with optim.kl = 0.01, and the comparison now says 0.5"),
        (FILE.replace("updates = 3", "updates = 2"), "was begun for 3 updates, more than the 2"),
    ],
)
def test_other_settings_for_runs_on_disk_are_refused(place, text, message):
    place.compare()
    place.file.write_text(text)
    with pytest.raises(InputError, match=message):
        place.compare()


def test_an_environment_with_noise_starts_from_a_policy_that_was_made_among_it(place):
    place.file.write_text(FILE + "[base.env]\nnoise = 0.5\n")
    plan = load_plan(place.file)
    policy = next(job for job in jobs_of(plan) if job.run is None)
    arguments = policy.prepare()
    assert arguments[arguments.index("--noise") + 1] == "0.5"
    place.file.write_text(FILE)
    assert "--noise" not in jobs_of(load_plan(place.file))[0].prepare()


def test_another_policy_to_start_from_is_refused(place):
    place.file.write_text(FILE + "[sft]\nepochs = 3\n")
    place.compare()
    recipe = recipe_of(registry.get("alfworld"), None, SftConfig(epochs=3), None)
    shown = Demonstrations([], played=0, errors=0, first_error=None, failed_types={})
    write_recipe(place.out / "alfworld/cold-start/policy", recipe, shown)
    place.compare()
    place.file.write_text(FILE + "[sft]\nepochs = 4\n")
    with pytest.raises(InputError, match="made with epochs = 3, and the comparison now says 4"):
        place.compare()


def test_a_dry_run_shows_the_plan_and_writes_nothing(place, capsys):
    place.compare("--dry-run")
    told = capsys.readouterr().out
    assert "4 runs, 0 finished; to do: 12 updates, 1,536 episodes" in told
    assert "at most 76,800 environment steps" in told
    assert not place.out.exists()


def test_a_comparison_goes_on_from_its_folder(place):
    place.compare()
    plan = load_plan(place.out)
    assert all(status.state == "done" for status in run_jobs(jobs_of(plan), plan.out, at_once=1))


def test_a_run_that_is_added_begins_with_the_weights_that_the_others_began_with(place):
    place.compare()
    RunFolder(place.out / "alfworld/cold-start/seed-0").write_digest("a name of weights")
    place.file.write_text(FILE.replace("[0, 1]", "[0, 1, 2]"))
    place.compare()
    for variant in ("cold-start", "grpo", "proxmo"):
        added = RunFolder(place.out / f"alfworld/{variant}/seed-2")
        assert added.read_digest() == "a name of weights"  # with others the trainer refuses it


def test_a_comparison_that_was_moved_goes_on_from_its_own_policy(place):
    place.compare()
    began = place.starts()
    place.out = place.out.rename(place.folder / "moved")
    place.file.write_text(FILE.replace('"out"', '"moved"').replace("updates = 3", "updates = 4"))
    place.compare()
    assert place.starts() == [*began, *RUNS]
    assert place.updates(RUNS[0]) == [1, 2, 3, 4]
    settings = load_config(place.out / RUNS[0] / "config.toml")
    assert settings.policy.model == str(place.out / "alfworld/cold-start/policy")


def test_a_comparison_from_the_policy_of_another_goes_on(place):
    first = place.folder / "first" / "alfworld" / "cold-start" / "policy"
    place.file.write_text(FILE + f'[base.policy]\nmodel = "{first}"\n')
    place.compare()
    began = place.starts()
    place.compare()
    assert place.starts() == began
