"""Load on `proxmo serve`: many sessions at once, each compared with a local environment.

    uv run python benchmarks/serve.py [--sessions 256] [--steps 20]

The server is a process of its own on loopback; all sessions are OpenEnv's client in this one.
Each session plays its own game with its own random actions, and everything it sees must equal
what a local environment shows when it is played alike.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from openenv.core.generic_client import GenericEnvClient

from proxmo.envs import registry
from proxmo.envs.alfworld.tasks import load_tasks

GAMES = 64


def memory(pid: int) -> float:
    """Resident memory of a process in MB (Linux)."""
    status = Path(f"/proc/{pid}/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


def action(rng: random.Random, admissible: list[str]) -> str:
    return rng.choice(admissible)


async def play(client: Any, number: int, steps: int) -> list[Any]:
    """What session `number` sees."""
    rng = random.Random(number)
    result = await client.reset(split="train", index=number % GAMES)
    seen = [result.observation["text"]]
    for _ in range(steps):
        result = await client.step({"text": action(rng, result.observation["admissible_actions"])})
        seen.append((result.observation["text"], result.reward, result.done))
        if result.done:
            break
    return seen


def play_locally(game: Any, number: int, steps: int) -> list[Any]:
    """What a local environment shows when it is played alike."""
    rng = random.Random(number)
    env = registry.get("alfworld").make()
    text, info = env.reset(options=game)
    seen: list[Any] = [text]
    for _ in range(steps):
        text, reward, terminated, truncated, info = env.step(
            action(rng, info["admissible_actions"])
        )
        seen.append((text, reward, terminated or truncated))
        if terminated or truncated:
            break
    return seen


async def load(url: str, server: int, sessions: int, steps: int) -> list[list[Any]]:
    """Open all sessions, then play in all of them at once."""
    empty = memory(server)
    clients = [GenericEnvClient(base_url=url) for _ in range(sessions)]
    began = time.perf_counter()
    await asyncio.gather(*(client.connect() for client in clients))
    await asyncio.gather(*(client.reset(split="train", index=0) for client in clients))
    opened = time.perf_counter()
    seen = await asyncio.gather(*(play(c, number, steps) for number, c in enumerate(clients)))
    seconds = time.perf_counter() - opened
    full = memory(server)
    await asyncio.gather(*(client.close() for client in clients))
    count = sum(len(one) - 1 for one in seen)
    print(f"sessions at once        {sessions:8d}")
    print(f"to open them all        {opened - began:8.1f} s")
    print(f"steps                   {count:8d}")
    print(f"steps a second          {count / seconds:8.0f}")
    print(f"server, no session      {empty:8.0f} MB")
    print(f"server, all sessions    {full:8.0f} MB")
    print(f"a session               {(full - empty) / sessions:8.2f} MB")
    return seen


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--sessions", type=int, default=256)
    parser.add_argument("--steps", type=int, default=20)
    options = parser.parse_args()
    command = [sys.executable, "-m", "proxmo", "serve", "alfworld", "--port", "0"]
    command += ["--count", str(GAMES), "--max-sessions", str(options.sessions)]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        url = server.stdout.readline().split(" at ")[1].split(" ")[0]
        seen = asyncio.run(load(url, server.pid, options.sessions, options.steps))
    finally:
        server.terminate()
        server.wait()
    tasks = load_tasks("train", seed=0, count=GAMES)
    mixed = [
        number
        for number, one in enumerate(seen)
        if one != play_locally(tasks[number % GAMES].options, number, options.steps)
    ]
    print(f"sessions mixed up       {len(mixed):8d}")
    if mixed:
        sys.exit(f"sessions {mixed[:10]} differ from local environments played alike")


if __name__ == "__main__":
    main()
