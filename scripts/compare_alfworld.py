"""Play ALFWorld games in our engine and in the reference engine, and compare every byte.

    uv sync --group reference
    uv run python scripts/compare_alfworld.py ~/.cache/alfworld --split valid_seen --count 20

Prints each difference in observation, admissible commands or success, then a summary;
exits with 1 if there was any. Without a path it compares generated games.
"""

from __future__ import annotations

import argparse
import random
import sys
import time

from proxmo.envs.alfworld.games import load_games
from proxmo.envs.alfworld.reference import Reference, compare
from proxmo.errors import InputError, ProxmoError


def main() -> int:
    """Parse the arguments, compare, report; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("path", nargs="?", help="game file, folder or archive")
    parser.add_argument("--split", help="only this split")
    parser.add_argument("--count", type=int, default=10, help="games, drawn at random")
    parser.add_argument("--steps", type=int, default=50, help="steps a game")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    rng = random.Random(arguments.seed)
    try:
        reference = Reference()
        if arguments.path:
            games = load_games(arguments.path, arguments.split)
        else:
            from proxmo.envs.alfworld.generator import generate

            games = generate(arguments.seed, arguments.count)
        chosen = rng.sample(range(len(games)), min(arguments.count, len(games)))
        began, steps, wrong = time.perf_counter(), 0, 0
        for number, index in enumerate(chosen, start=1):
            played, differences = compare(games[index], reference, rng, arguments.steps)
            steps += played
            wrong += len(differences)
            for d in differences:
                print(f"{d.game_id}, step {d.step} {d.action!r}: {d.what}")
                print(f"  ours      {d.ours!r}\n  reference {d.reference!r}")
            if number % 10 == 0 or number == len(chosen):
                seconds = time.perf_counter() - began
                print(f"{number} games, {steps} steps, {wrong} differences, {seconds:.0f} s")
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except ProxmoError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
