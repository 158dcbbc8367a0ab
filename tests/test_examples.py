"""The examples run as they stand, and print what they promise."""

import os
import re
import shlex
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
}
"""Example -> patterns that its output matches, each in some line."""


def test_every_example_is_tested():
    assert {path.name for path in EXAMPLES.glob("*.py")} == {*PRINTS, "own_environment.py"}


def test_an_environment_of_ones_own_is_trained_on_by_the_commands_it_tells(tmp_path):
    text = (EXAMPLES / "own_environment.py").read_text()
    commands = re.findall(r"uv run (proxmo (?:.*\\\n)*.*)", text)
    sft, train = (command.replace("\\\n", " ") for command in commands)
    told = [run(["-m", *shlex.split(line)], tmp_path) for line in (sft, f"{train} --out run")]
    assert re.search(r"^next: proxmo evaluate --env own_environment:SPEC", told[0], re.MULTILINE)
    assert re.search(r"cold start: \d+\.\d% of 128 unseen tasks solved", told[1])
    assert re.search(r"after update 2: \d+\.\d% of 128 unseen tasks solved", told[1])


@pytest.mark.parametrize("name", PRINTS)
def test_the_example_runs_and_prints_what_it_shows(name, tmp_path):
    printed = run([str(EXAMPLES / name)], tmp_path)
    for pattern in PRINTS[name]:
        assert re.search(pattern, printed, re.MULTILINE), f"{pattern} in\n{printed}"
    assert list(tmp_path.iterdir()) == []  # whatever it writes, it cleans up


def run(arguments: list[str], folder: Path) -> str:
    """What Python prints in `folder`, given these arguments and no data."""
    # ALFWorld's own engine, where a test has imported it, has set its folder for everybody.
    environment = {name: value for name, value in os.environ.items() if "_DATA" not in name}
    ended = subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env={**environment, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(EXAMPLES)},
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout
