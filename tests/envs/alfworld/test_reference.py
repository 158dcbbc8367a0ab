"""Our engine beside the reference engine (PyPI `alfworld` and `textworld`), live.

`uv sync --group reference` installs it; scripts/compare_alfworld.py does the same on any
number of games.
"""

import random
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from proxmo.envs.alfworld import TASK_TYPES, load_games
from proxmo.envs.alfworld.generator.games import generate_games
from proxmo.envs.alfworld.reference import Reference, differences
from proxmo.errors import ProxmoError

SHARED = Path(__file__).resolve().parents[4] / "shared" / "alfworld"
INSTALLED = find_spec("textworld") is not None and find_spec("alfworld") is not None

needs_reference = pytest.mark.skipif(
    not INSTALLED, reason="the reference engine is not installed: uv sync --group reference"
)


@pytest.mark.reference
@needs_reference
@pytest.mark.parametrize("task_type", TASK_TYPES)
def test_the_reference_agrees_on_a_generated_game(task_type: str):
    (game,) = generate_games(7, 1, [task_type])
    transcript = Reference().record(game, random.Random(1), steps=12)
    assert transcript.turns
    assert differences(game, transcript) == []


@pytest.mark.reference
@needs_reference
def test_the_reference_leaves_the_variables_of_the_process_alone():
    code = (
        "import os; before = dict(os.environ)\n"
        "from proxmo.envs.alfworld.reference import Reference; Reference()\n"
        "assert before == dict(os.environ)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.reference
@needs_reference
def test_the_reference_accepts_a_generated_walkthrough():
    (game,) = generate_games(3, 1)
    reference = Reference()
    reference.reset(game)
    for command in game.walkthrough:
        assert not reference.won
        assert command in reference.commands
        reference.act(command)
    assert reference.won


@pytest.mark.reference
@needs_reference
@pytest.mark.skipif(not SHARED.is_dir(), reason=f"the official games are not at {SHARED}")
def test_the_reference_agrees_on_official_games():
    games = load_games(SHARED / "train_and_valid_seen.tar.xz", "valid_seen")
    rng = random.Random(0)
    reference = Reference()
    for game in rng.sample(games, 2):
        assert differences(game, reference.record(game, rng, steps=12)) == []


@pytest.mark.skipif(INSTALLED, reason="the reference engine is installed")
def test_without_the_reference_the_error_says_how_to_get_it():
    with pytest.raises(ProxmoError, match="uv sync --group reference"):
        Reference()
