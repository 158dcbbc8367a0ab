"""The real command line, killed and told to end at any moment, comes to the undisturbed end."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import tomli_w
from test_resume import assert_same_run
from toy import toy_config

from proxmo.config import config_dict

COMMAND = (
    "import sys, toy, torch\n"
    "torch.set_num_threads(1)\n"
    "toy.register()\n"
    "from proxmo.cli import main\n"
    "sys.exit(main(sys.argv[1:]))\n"
)
"""`python -m proxmo` with the toy environment known to it."""


TWO = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "--no-python")
"""Starts what follows in two processes."""


def start(*arguments, launcher=(), **options):
    here = str(Path(__file__).parent)
    paths = [here, *filter(None, [os.environ.get("PYTHONPATH")])]
    return subprocess.Popen(
        [*launcher, sys.executable, "-c", COMMAND, "train", *map(str, arguments)],
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(paths),
            "OMP_NUM_THREADS": "1",
            "ACCELERATE_USE_CPU": "true",
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        **options,
    )


def said(process):
    """All that an ended process has printed."""
    assert process.stdout is not None
    return process.stdout.read()


def wait_for(process, reached):
    """Until something is on disk; the process must not end before."""
    while not reached():
        assert process.poll() is None, said(process)
        time.sleep(0.02)


def settings_file(model, folder, **sections):
    """The settings of a run in `folder`, which goes on for more updates than anybody waits for."""
    path = folder.with_name(f"{folder.name}.toml")
    path.write_text(tomli_w.dumps(config_dict(toy_config(model, folder, **sections))))
    return path


def updates(folder):
    """Updates on record."""
    path = folder / "metrics.jsonl"
    return path.read_text().count("\n") if path.is_file() else 0


@pytest.fixture(scope="module")
def alone(model, tmp_path_factory):
    """Folder of a run that the command line made, undisturbed."""
    folder = tmp_path_factory.mktemp("alone") / "run"
    process = start("--config", settings_file(model, folder))
    assert process.wait() == 0, said(process)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_a_command_killed_at_random_moments_comes_to_the_same_end(model, alone, tmp_path, seed):
    moments = random.Random(seed)
    run = tmp_path / "run"
    settings = settings_file(model, run)
    began = start("--config", settings)
    for _ in range(2):
        wait_for(began, (run / "config.toml").is_file)
        time.sleep(moments.uniform(0, 3))
        began.kill()
        began.wait()
        began = start("--resume", run)
    assert began.wait() == 0, said(began)
    assert_same_run(run, alone)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_command_told_to_end_saves_and_says_how_to_go_on(model, tmp_path, number):
    run = tmp_path / "run"
    forever = {"updates": 10_000}
    never = {"checkpoint_every": 100_000, "eval_every": 0}
    process = start("--config", settings_file(model, run, optim=forever, run=never))
    wait_for(process, lambda: updates(run) >= 2)
    process.send_signal(number)
    assert process.wait() == 128 + number
    told = said(process)
    assert f"ended by {number.name} after update " in told
    assert f"proxmo train --resume {run}" in told
    assert "Traceback" not in told
    (saved,) = (run / "checkpoints").iterdir()
    assert saved.name == f"update_{updates(run):05d}"


@pytest.mark.slow
def test_a_run_that_still_lives_is_not_resumed_and_a_killed_one_is(model, tmp_path):
    run = tmp_path / "run"
    process = start("--config", settings_file(model, run, optim={"updates": 10_000}))
    wait_for(process, lambda: updates(run) >= 1)
    second = start("--resume", run)
    assert second.wait() == 2
    told = said(second)
    assert f"run {run} is in use by process {process.pid} on " in told
    process.kill()
    process.wait()
    done = updates(run)
    third = start("--resume", run, "--updates", 10_000)
    wait_for(third, lambda: updates(run) > done)
    third.kill()
    third.wait()
    records = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    numbers = [record["update"] for record in records]
    assert numbers == list(range(1, len(numbers) + 1))


@pytest.mark.slow
def test_two_processes_hold_one_lock_and_save_once_when_told_to_end(model, tmp_path):
    run, log = tmp_path / "run", tmp_path / "log"
    settings = settings_file(
        model,
        run,
        optim={"updates": 10_000},
        run={"checkpoint_every": 100_000, "eval_every": 0},
    )
    two = (sys.executable, *TWO, "--redirects=3", f"--log-dir={log}")
    launched = start("--config", settings, launcher=two)
    wait_for(launched, lambda: updates(run) >= 2)
    for launcher in ((), (sys.executable, *TWO)):
        second = start("--resume", run, launcher=launcher)
        assert second.wait() != 0
        assert f"run {run} is in use by process " in said(second)
    launched.send_signal(signal.SIGTERM)
    launched.wait()
    told = said(launched) + "".join(path.read_text() for path in log.rglob("*.log"))
    assert told.count(f"ended by SIGTERM after update {updates(run)}; go on with") == 1
    saved = [path.name for path in (run / "checkpoints").iterdir()]
    assert saved == [f"update_{updates(run):05d}"]
    numbers = [json.loads(line)["update"] for line in (run / "metrics.jsonl").open()]
    assert numbers == list(range(1, len(numbers) + 1))
    done = updates(run)
    third = start("--resume", run, "--updates", done + 1)
    assert third.wait() == 0, said(third)
    assert updates(run) == done + 1
