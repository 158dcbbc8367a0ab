"""Speed and memory of the native ALFWorld engine, beside the reference in the same run.

    uv run python benchmarks/alfworld.py                      # generated games
    uv run python benchmarks/alfworld.py ~/.cache/alfworld    # official games

The reference (PyPI `alfworld` and `textworld`) is measured when it is installed:
`uv sync --group reference`.
"""

from __future__ import annotations

import argparse
import random
import resource
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from proxmo.envs.alfworld import AlfworldEnv, Game, load_games
from proxmo.envs.alfworld.generator.games import generate_games
from proxmo.envs.alfworld.reference import Reference
from proxmo.errors import ProxmoError


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("path", nargs="?", help="game file, folder or archive")
    parser.add_argument("--split", default="train")
    parser.add_argument("--games", type=int, default=200, help="games that are played")
    parser.add_argument("--environments", type=int, default=1024, help="live at the same time")
    parser.add_argument("--reference-games", type=int, default=3)
    arguments = parser.parse_args()
    try:
        rows = ours(arguments.path, arguments.split, arguments.games, arguments.environments)
        games = load(arguments.path, arguments.split, arguments.games)[: arguments.reference_games]
        theirs = reference(games)
    except ProxmoError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"{'':44}{'proxmo':>14}{'reference':>14}")
    for what, value in rows:
        print(f"{what:44}{value:>14}{theirs.get(what, '-'):>14}")
    if not theirs:
        print("\nFor the reference's column: uv sync --group reference")
    return 0


def load(path: str | None, split: str, count: int) -> Sequence[Game]:
    return load_games(path, split) if path else generate_games(0, count, split=split)


def ours(path: str | None, split: str, count: int, environments: int) -> list[tuple[str, str]]:
    empty, began = memory(), time.perf_counter()
    games = load(path, split, max(count, environments))
    rows = [(f"load {len(games):,} games", f"{time.perf_counter() - began:.2f} s")]
    rows.append(("memory for the games", megabytes(memory() - empty)))
    _ = games[-1].world  # compiles the rules that all games share
    played = random.Random(0).sample(games, min(count, len(games)))
    env = AlfworldEnv()
    for what in ("first reset of a game", "reset of a game met before"):
        began = time.perf_counter()
        for game in played:
            env.reset(options={"game": game})
        rows.append((what, milliseconds((time.perf_counter() - began) / len(played))))
    rng = random.Random(0)
    steps, began = 0, time.perf_counter()
    for game in played:
        _, info = env.reset(options={"game": game})
        over = False
        while not over:
            action = rng.choice(info["admissible_actions"])
            _, _, terminated, truncated, info = env.step(action)
            over = terminated or truncated
            steps += 1
    rows.append(("steps a second, random play", f"{steps / (time.perf_counter() - began):,.0f}"))
    before = memory()
    live = [AlfworldEnv() for _ in range(environments)]
    state = []
    for i, env in enumerate(live):
        state.append(env.reset(options={"game": games[i % len(games)]}))
    for env, (_, info) in zip(live, state, strict=True):
        env.step(rng.choice(info["admissible_actions"]))
    rows.append((f"memory of {environments:,} live environments", megabytes(memory() - before)))
    return rows


def reference(games: Sequence[Game]) -> dict[str, str]:
    """The reference's figures, by the name of ours; empty where it is not installed."""
    # Python puts this file's folder first, where its name hides the package `alfworld`.
    here = Path(__file__).resolve().parent
    sys.path[:] = [entry for entry in sys.path if Path(entry).resolve() != here]
    try:
        engine = Reference()
    except ProxmoError:
        return {}
    rng = random.Random(0)
    steps, resetting, stepping = 0, 0.0, 0.0
    for game in games:
        began = time.perf_counter()
        engine.reset(game)
        resetting += time.perf_counter() - began
        began = time.perf_counter()
        for _ in range(20):
            engine.act(rng.choice(engine.commands))
            steps += 1
        stepping += time.perf_counter() - began
    reset = milliseconds(resetting / len(games))
    return {
        "first reset of a game": reset,
        "reset of a game met before": reset,
        "steps a second, random play": f"{steps / stepping:,.1f}",
    }


def memory() -> float:
    """The process's resident memory now, in bytes (its peak where the system does not say)."""
    status = Path("/proc/self/statm")
    if status.is_file():
        return int(status.read_text().split()[1]) * resource.getpagesize()
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def megabytes(size: float) -> str:
    return f"{size / 1e6:.0f} MB"


def milliseconds(seconds: float) -> str:
    return f"{seconds * 1e3:.3f} ms"


if __name__ == "__main__":
    sys.exit(main())
