"""The examples run as they stand, and print what they promise."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"

PRINTS = {
    "own_loop.py": [
        r"^\[\[ *\d+\.\d+ +\d+\.\d+ +-?0\. *\]",
        r"'credit/success_rate': 0\.5",
    ],
    "trl_alfworld.py": [
        r"^update 1: loss -?\d+\.\d+, 3 turns an episode, each compared with \d+\.\d others$",
        r"^update 2: ",
    ],
    "compare_methods.py": [
        r"^ProxMO +0\.\d\d",
        r"^GiGPO +0\.\d\d",
        r"advantage = episode \+ step",
        r"credit/success_rate +0\.\d",
    ],
    "play_alfworld.py": [
        r"Your task is to: \w+",
        r"^> go to \w+ \d+   \(one of \d+ admissible actions\)$",
        r"^Solved in \d+ steps; proxmo's own plan takes \d+\.$",
    ],
    "own_environment.py": [
        r"^update 1: success \d+% while learning$",
        r"^after 0 updates: \d+\.\d% of unseen tasks$",
        r"^after 2 updates: \d+\.\d% of unseen tasks$",
    ],
}
"""Example -> patterns that its output matches, each in some line."""


def test_every_example_is_tested():
    assert {path.name for path in EXAMPLES.glob("*.py")} == set(PRINTS)


@pytest.mark.parametrize("name", PRINTS)
def test_the_example_runs_and_prints_what_it_shows(name, tmp_path):
    ended = subprocess.run(
        [sys.executable, str(EXAMPLES / name)],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert ended.returncode == 0, ended.stderr
    for pattern in PRINTS[name]:
        assert re.search(pattern, ended.stdout, re.MULTILINE), f"{pattern} in\n{ended.stdout}"
    assert list(tmp_path.iterdir()) == []  # whatever it writes, it cleans up
