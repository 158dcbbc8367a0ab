"""A run that dies before any change that it makes on disk comes to the undisturbed end."""

import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from test_resume import assert_same_run
from toy import begin_or_go_on, toy_config

from dying import Deaths
from proxmo.config import TrainConfig

SAMPLE = 4
"""Moments of death that are tried unless all are asked for (`-m slow`)."""


class Scene(NamedTuple):
    """Something that a run does on disk, from a folder as it was before to its end."""

    config: Callable[[Path], TrainConfig]
    before: Path
    """Copied for each death."""
    after: Path
    """What comes of it when nobody dies."""
    changes: list[str]


@pytest.fixture(scope="module")
def deaths():
    return Deaths()


@pytest.fixture(scope="module")
def play(deaths, model, tmp_path_factory):
    """Makes the scene of a run in a folder that was left as `prepare` leaves it."""

    def made(updates: int, prepare: Callable[[Path], None]) -> Scene:
        def config(folder: Path) -> TrainConfig:
            kept = {"out": str(folder / "run"), "eval_every": 1, "keep_checkpoints": 1}
            return toy_config(model, folder, optim={"updates": updates}, run=kept)

        before, after = (tmp_path_factory.mktemp(name) for name in ("before", "after"))
        prepare(before)
        shutil.copytree(before, after, dirs_exist_ok=True)
        changes = deaths.live(after, begin_or_go_on, config(after))
        return Scene(config, before, after, changes)

    return made


@pytest.fixture(scope="module")
def new(play):
    """A run of two updates."""
    return play(2, lambda folder: None)


@pytest.fixture(scope="module")
def longer(play, new):
    """The same run, finished, then asked for a third update; a kill had left something, too."""

    def prepare(folder: Path) -> None:
        shutil.copytree(new.after, folder, dirs_exist_ok=True)
        with (folder / "run" / "metrics.jsonl").open("a") as stream:
            stream.write('{"update": 3, "rollout/succ')
        (folder / "run" / "checkpoints" / ".unfinished-removed-1-1-update_00001").mkdir()

    return play(3, prepare)


def moments(scene: Scene, seed: int) -> list[int]:
    return sorted(random.Random(seed).sample(range(len(scene.changes)), SAMPLE))


def die_and_go_on(deaths: Deaths, scene: Scene, number: int, folder: Path) -> None:
    shutil.copytree(scene.before, folder)
    deaths.die(number, folder, begin_or_go_on, scene.config(folder))
    deaths.live(folder, begin_or_go_on, scene.config(folder))
    assert_same_run(folder / "run", scene.after / "run")


@pytest.mark.parametrize("name", ["new", "longer"])
def test_a_run_that_dies_before_some_changes_comes_to_the_same_end(deaths, request, tmp_path, name):
    scene = request.getfixturevalue(name)
    for number in moments(scene, seed=0):
        die_and_go_on(deaths, scene, number, tmp_path / str(number))


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", ["new", "longer"])
def test_a_run_that_dies_before_any_change_comes_to_the_same_end(deaths, request, tmp_path, name):
    scene = request.getfixturevalue(name)
    for number in range(len(scene.changes)):
        die_and_go_on(deaths, scene, number, tmp_path / str(number))
        shutil.rmtree(tmp_path / str(number))
