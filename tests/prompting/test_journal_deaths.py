"""An evaluation that dies before any change that it makes on disk asks for little twice."""

import os
import random
import shutil
from pathlib import Path

import pytest

from dying import Deaths
from proxmo import cli

SAMPLE = 3
"""Moments of death that are tried unless all are asked for (`-m slow`)."""


def evaluate(url: str, out: Path) -> None:
    os.environ["NO_PROXY"] = "127.0.0.1"
    for variable in ("ALFWORLD_DATA", "OPENAI_API_KEY"):
        os.environ.pop(variable, None)
    told = ["--endpoint", url, "--model", "tiny", "--out", str(out)]
    assert cli.main(["evaluate", *told, "--tasks", "2", "--max-steps", "3"]) == 0


@pytest.fixture(scope="module")
def deaths():
    return Deaths()


@pytest.fixture
def server(serve):
    return serve(lambda _: "<think>hm</think><action>look</action>")


@pytest.fixture
def scene(deaths, server, tmp_path):
    """What nobody disturbed: the changes, and the result."""
    out = tmp_path / "undisturbed" / "result.json"
    out.parent.mkdir()
    changes = deaths.live(out.parent, evaluate, server.url, out)
    assert len(server.requests) == 6
    assert [path.name for path in out.parent.iterdir()] == [out.name]
    return changes, out.read_text()


def die_and_go_on(deaths, server, scene, number: int, folder: Path) -> None:
    folder.mkdir()
    server.requests.clear()
    out = folder / "result.json"
    deaths.die(number, folder, evaluate, server.url, out)
    deaths.live(folder, evaluate, server.url, out)
    assert out.read_text() == scene[1]
    assert not list(folder.glob("*.answers.*"))
    # Both tasks are asked for at once: at most two answers had come and were not yet on record.
    assert len(server.requests) <= 6 + 2
    shutil.rmtree(folder)


def test_an_evaluation_whose_result_is_written_asks_for_nothing_again(
    deaths, server, scene, tmp_path
):
    written = max(i for i, change in enumerate(scene[0]) if "answers" not in change)
    removals = range(written + 1, len(scene[0]))
    assert len(removals) == 2  # of the answers, and of what they were given for
    for number in removals:
        die_and_go_on(deaths, server, scene, number, tmp_path / str(number))
        assert len(server.requests) == 6


def test_an_evaluation_that_dies_before_some_changes_goes_on(deaths, server, scene, tmp_path):
    for number in random.Random(0).sample(range(len(scene[0])), SAMPLE):
        die_and_go_on(deaths, server, scene, number, tmp_path / str(number))


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_an_evaluation_that_dies_before_any_change_goes_on(deaths, server, scene, tmp_path):
    for number in range(len(scene[0])):
        die_and_go_on(deaths, server, scene, number, tmp_path / str(number))
