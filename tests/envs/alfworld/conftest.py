"""A game small enough to work out every answer by hand."""

from importlib import resources
from pathlib import Path

import pytest

from proxmo.envs.alfworld import Game

DATA = Path(__file__).parents[2] / "data" / "alfworld"


@pytest.fixture
def kitchen() -> Game:
    files = resources.files("proxmo.envs.alfworld.generator")
    return Game.from_pddl(
        (files / "domain.pddl").read_text("utf-8"),
        (DATA / "kitchen.pddl").read_text("utf-8"),
        (files / "grammar.twl2").read_text("utf-8").replace("UNKNOWN GOAL", "warm an apple."),
        game_id="kitchen",
    )
