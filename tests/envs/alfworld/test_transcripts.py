"""The engine answers as the reference engine did, byte for byte and in the same order.

The transcripts were recorded from PyPI `alfworld` and `textworld`. Eleven come with the tests
(see tests/data/alfworld/SOURCE.md), 440 more are replayed where they are at hand.
"""

import gzip
import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from proxmo.envs.alfworld import Game, Games, load_games
from proxmo.envs.alfworld.reference import ReferenceTurn, Transcript, differences

RECORDED = Path(__file__).parents[2] / "data" / "alfworld" / "recorded.jsonl.gz"
SHARED = Path(__file__).resolve().parents[4] / "shared" / "alfworld"


def read_lines(path: Path) -> Iterator[dict]:
    with gzip.open(path, "rt", encoding="utf-8") as stream:
        yield from map(json.loads, stream)


def recorded() -> Iterator[tuple[Game, Transcript]]:
    for line in read_lines(RECORDED):
        content = line["content"]
        game = Game.from_pddl(
            content["pddl_domain"],
            content["pddl_problem"],
            content["grammar"],
            game_id=line["game"],
        )
        yield game, Transcript.from_json(line)


@cache
def official_games() -> Games:
    archive = SHARED / "train_and_valid_seen.tar.xz"
    if not archive.is_file():
        pytest.skip(f"the official games are not at {archive}")
    return load_games(archive)


def test_recorded_episodes_replay_without_a_difference():
    found = [d for game, transcript in recorded() for d in differences(game, transcript)]
    assert found == []


def test_recorded_episodes_cover_every_command_and_its_refusal():
    turns = [turn for _, transcript in recorded() for turn in transcript.turns]
    refused = [turn.action for turn in turns if turn.feedback == "Nothing happens."]
    done = {turn.action.split()[0] for turn in turns if turn.feedback != "Nothing happens."}
    commands = {"go", "open", "close", "take", "move", "examine", "heat", "clean", "cool", "use"}
    assert done >= commands | {"slice", "inventory", "look", "help"}
    assert len(refused) > 40
    assert any(turn.won for turn in turns)


@pytest.mark.parametrize("what", ["observation", "admissible", "success"])
def test_a_single_altered_answer_is_found(what: str):
    game, transcript = next(recorded())
    turns = list(transcript.turns)
    old = turns[3]
    turns[3] = {
        "observation": ReferenceTurn(old.action, old.feedback + " ", old.admissible, old.won),
        "admissible": ReferenceTurn(old.action, old.feedback, old.admissible[::-1], old.won),
        "success": ReferenceTurn(old.action, old.feedback, old.admissible, not old.won),
    }[what]
    altered = Transcript("kitchen", transcript.initial, transcript.admissible, tuple(turns))
    assert [(d.step, d.what) for d in differences(game, altered)] == [(4, what)]


@pytest.mark.parametrize(
    ("name", "episodes"),
    [
        ("transcripts_valid_seen", 140),
        ("transcripts_train", 160),
        ("transcripts_train_manipulation", 140),
    ],
)
def test_reference_transcripts_of_official_games_replay_without_a_difference(
    name: str, episodes: int
):
    games = {game.game_id: game for game in official_games()}
    transcripts = [Transcript.from_json(line) for line in read_lines(SHARED / f"{name}.jsonl.gz")]
    assert len(transcripts) == episodes
    assert [d for t in transcripts for d in differences(games[t.game_id], t)] == []


@pytest.mark.slow
def test_every_official_walkthrough_wins():
    from proxmo.envs.alfworld import replay

    lost = []
    for game in official_games():
        result = replay(game)
        if not result.success or result.invalid:
            lost.append(game.game_id)
    assert len(official_games()) == 3553 + 140
    assert lost == []
