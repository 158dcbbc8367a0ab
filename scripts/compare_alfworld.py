"""Play ALFWorld games in our engine and in the reference engine, and compare every byte.

    uv sync --group reference
    uv run python scripts/compare_alfworld.py ~/.cache/alfworld --split valid_seen --count 20

Prints each difference in observation, admissible commands or success, then a summary;
exits with 1 if there was any. Without a path it compares generated games. With `--record`
it also keeps the reference's answers (`tests/data/alfworld` was made so).
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from proxmo.envs.alfworld.games.game import Game
from proxmo.envs.alfworld.games.load import load_games
from proxmo.envs.alfworld.reference import Reference, Transcript, differences, save
from proxmo.errors import InputError, ProxmoError


def main() -> int:
    """Parse the arguments, compare, report; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("path", nargs="?", help="game file, folder or archive")
    parser.add_argument("--split", help="only this split")
    parser.add_argument("--count", type=int, default=10, help="games, drawn at random")
    parser.add_argument("--steps", type=int, default=50, help="steps a game")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--record", type=Path, metavar="FILE.jsonl.gz", help="keep the transcripts")
    arguments = parser.parse_args()
    try:
        if arguments.path:
            games = load_games(arguments.path, arguments.split)
        else:
            from proxmo.envs.alfworld.generator.games import generate_games

            games = generate_games(arguments.seed, arguments.count)
        rng = random.Random(arguments.seed)
        chosen = [games[i] for i in rng.sample(range(len(games)), min(arguments.count, len(games)))]
        recorded, wrong = compare(chosen, Reference(), rng, arguments.steps)
        if arguments.record:
            save(arguments.record, recorded)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except ProxmoError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 1 if wrong else 0


def compare(
    games: Sequence[Game], reference: Reference, rng: random.Random, steps: int
) -> tuple[list[tuple[Game, Transcript]], int]:
    """Play each game in both engines: (games and transcripts, number of differences)."""
    began, played, won, wrong = time.perf_counter(), 0, 0, 0
    recorded = []
    for number, game in enumerate(games, start=1):
        transcript = reference.record(game, rng, steps)
        recorded.append((game, transcript))
        played += len(transcript.turns)
        won += bool(transcript.turns) and transcript.turns[-1].won
        for d in differences(game, transcript):
            wrong += 1
            print(f"{d.game_id}, step {d.step} {d.action!r}: {d.what}")
            print(f"  ours      {d.ours!r}\n  reference {d.reference!r}")
        if number % 10 == 0 or number == len(games):
            seconds = time.perf_counter() - began
            print(
                f"{number} games, {won} won, {played} steps, {wrong} differences, {seconds:.0f} s",
                flush=True,
            )
    return recorded, wrong


if __name__ == "__main__":
    sys.exit(main())
