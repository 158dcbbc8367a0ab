"""An audit that is killed leaves no process behind, and goes on where it was."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from parity import save_model

SLOW = 300.0
"""Seconds that nothing here may take: three processes import torch, on a machine that is busy."""


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGKILL, -9), (signal.SIGTERM, 143)])
def test_a_killed_audit_takes_its_processes_along_and_goes_on(tmp_path, number, code):
    save_model(tmp_path / "model")
    out = tmp_path / "audit"
    command = [
        *(sys.executable, "-m", "proxmo", "audit", "--model", str(tmp_path / "model")),
        *("--env", "parity:SLOW", "--out", str(out), "--tasks", "4", "--group-size", "2"),
        *("--continuations", "2", "--jobs", "2", "--methods", "grpo"),
    ]
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])
    }
    audit = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    begun = _within(SLOW, lambda: list((out / "tasks").glob("[!.]*.parquet")))
    children = _children_of(audit.pid)
    assert children
    audit.send_signal(number)
    assert audit.wait(SLOW) == code
    _within(SLOW, lambda: not any(map(_lives, children)))
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=SLOW)
    assert done.returncode == 0, done.stderr
    assert begun[0].is_file()
    assert len(list((out / "tasks").glob("[!.]*.parquet"))) == 4
    assert (out / "report" / "report.html").is_file()


def _within(seconds, wanted):
    end = time.monotonic() + seconds
    while not (found := wanted()):
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.05)
    return found


def _children_of(process):
    found = Path(f"/proc/{process}/task/{process}/children")
    if not found.is_file():
        pytest.skip("this system does not tell a process's children")
    return [int(child) for child in found.read_text().split()]


def _lives(process):
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"
