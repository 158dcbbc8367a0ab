"""A cold start that dies before any change that it makes on disk is made whole by the next one."""

import os
import random
import shutil
import time
from pathlib import Path

import pytest
import torch

from dying import Deaths
from proxmo.cold_start.make import cold_start
from proxmo.config import SftConfig
from proxmo.envs import registry

SMALL = SftConfig(demonstrations=3, vocabulary=400, batch_tokens=4096)
SAMPLE = 1
"""Moments of death that are tried unless all are asked for (`-m slow`)."""


def make(root: Path, out: str | None) -> None:
    """The policy in the cache, or in a folder of its own; both are under `root`."""
    torch.set_num_threads(1)
    os.environ["PROXMO_CACHE"] = str(root / "cache")
    folder = None if out is None else root / out
    cold_start(registry.get("alfworld"), None, SMALL, folder=folder)


def to_the_cache(root: Path) -> None:
    make(root, None)


def to_a_folder(root: Path) -> None:
    make(root, "mine")


def nothing(root: Path) -> None:
    """An empty place."""


def damaged(root: Path) -> None:
    """A cache whose policy is not as it was written."""
    (file,) = root.glob("cache/cold-start/*/proxmo.json")
    file.write_text("{}")


def cached(root: Path) -> None:
    """A cache with the policy in it."""


SCENES = {
    "new in the cache": (None, nothing, to_the_cache),
    "new in a folder": (None, nothing, to_a_folder),
    "again in the cache": ("new in the cache", damaged, to_the_cache),
    "from the cache to a folder": ("new in the cache", cached, to_a_folder),
}
"""What was made before, what became of it, and what is made now."""


@pytest.fixture(scope="module")
def deaths():
    return Deaths()


@pytest.fixture(scope="module")
def play(deaths, tmp_path_factory):
    """The folder before a scene, the folder after it, and the changes in between."""
    played = {}

    def made(name: str) -> tuple[Path, Path, list[str]]:
        if name not in played:
            earlier, prepare, job = SCENES[name]
            before, after = (tmp_path_factory.mktemp(part) for part in ("before", "after"))
            if earlier is not None:
                shutil.copytree(made(earlier)[1], before, dirs_exist_ok=True)
            prepare(before)
            shutil.copytree(before, after, dirs_exist_ok=True)
            played[name] = before, after, deaths.live(after, job, after)
        return played[name]

    return made


def contents(root: Path) -> dict[str, bytes]:
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def die_and_make_again(deaths, scene, job, number: int, folder: Path) -> None:
    before, after, _ = scene
    shutil.copytree(before, folder)
    deaths.die(number, folder, job, folder)
    deaths.live(folder, job, folder)
    hours_ago = time.time() - 7200
    for path in folder.rglob(".unfinished-*"):
        os.utime(path, (hours_ago, hours_ago))
    deaths.live(folder, job, folder)  # sweeps what the dead left
    assert contents(folder) == contents(after)


@pytest.mark.parametrize("name", SCENES)
def test_a_cold_start_that_dies_before_some_changes_is_made_whole(deaths, play, tmp_path, name):
    scene = play(name)
    for number in random.Random(name).sample(range(len(scene[2])), SAMPLE):
        die_and_make_again(deaths, scene, SCENES[name][2], number, tmp_path / str(number))


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", SCENES)
def test_a_cold_start_that_dies_before_any_change_is_made_whole(deaths, play, tmp_path, name):
    scene = play(name)
    for number in range(len(scene[2])):
        die_and_make_again(deaths, scene, SCENES[name][2], number, tmp_path / str(number))
