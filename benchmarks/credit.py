"""What credit costs per update: time and memory, by size of the batch.

    uv run python benchmarks/credit.py            # all of it, under a minute
    uv run python benchmarks/credit.py --quick    # without the batch of a million steps

Times are for one call of the estimator on a batch already in `proxmo.Steps`; the column
"read" is what making that object costs (checks included). The best of several runs
counts: others may use the machine. Each size runs in a process of its own, whose peak
memory, texts and interpreter included, is the last column.
"""

from __future__ import annotations

import argparse
import random
import resource
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import NamedTuple

import numpy as np

import proxmo

GROUP_SIZE = 8
REWARD = 10.0  # for a success, as in the ALFWorld runs of the papers
RECEPTACLES = ("cabinet", "countertop", "drawer", "shelf", "sinkbasin", "desk", "sidetable")
OBJECTS = ("apple", "bread", "cup", "egg", "knife", "lettuce", "mug", "plate", "potato", "vase")


class Target(NamedTuple):
    """What a batch may cost."""

    seconds: float
    megabytes: float = float("inf")


SIZES: dict[tuple[int, int], Target | None] = {
    (1_250, 4): None,
    (5_000, 16): Target(0.025),
    (20_000, 64): Target(0.060),
    (80_000, 256): None,
    (320_000, 1_024): None,
    (1_000_000, 3_300): Target(5.0, 2_000.0),
}
"""(steps, groups) -> target for ProxMO, where there is one."""

METHODS = ("proxmo", "proxmo-released", "gigpo", "grpo")


class Measured(NamedTuple):
    """One line of the table."""

    distinct: float
    """Distinct observations per group, on average."""
    read: float
    """Seconds to make `Steps`."""
    seconds: dict[str, float]
    """Method -> seconds per call."""
    megabytes: float
    """Peak resident memory of the process."""


def room(rng: random.Random) -> list[str]:
    """The few dozen observations of one household: every place, and what one does there."""
    places = [f"{name} {i}" for name in RECEPTACLES for i in range(1, rng.randint(2, 5))]
    observations = [
        "You are in the middle of a room. Looking quickly around you, you see "
        + ", ".join(f"a {place}" for place in places)
        + ".",
        "Nothing happens.",
    ]
    for place in places:
        things = [f"a {rng.choice(OBJECTS)} {rng.randint(1, 4)}" for _ in range(rng.randint(0, 4))]
        seen = ", ".join(things) or "nothing"
        observations.append(f"You arrive at {place}. On the {place}, you see {seen}.")
        if things and rng.random() < 0.5:
            observations.append(f"You pick up the {things[0][2:]} from the {place}.")
    return observations


def batch(steps: int, groups: int, seed: int = 0) -> dict[str, list]:
    """Columns for `proxmo.Steps`: agents that wander through one room per group."""
    rng = random.Random(seed)
    columns: dict[str, list] = {
        name: []
        for name in ("group", "trajectory", "step", "observation", "reward", "success", "valid")
    }
    for number in range(groups * GROUP_SIZE):
        group = number // GROUP_SIZE
        if number % GROUP_SIZE == 0:
            observations, skill = room(rng), rng.random()
        # Whole numbers of steps that add up to exactly `steps`.
        share = steps * (number + 1) // (groups * GROUP_SIZE)
        length = share - steps * number // (groups * GROUP_SIZE)
        success = rng.random() < skill
        columns["group"] += [f"task-{group}"] * length
        columns["trajectory"] += [f"task-{group}-{number % GROUP_SIZE}"] * length
        columns["step"] += range(length)
        columns["observation"] += [observations[0], *rng.choices(observations, k=length - 1)]
        columns["reward"] += [0.0] * (length - 1) + [REWARD * success]
        columns["success"] += [success] * length
        columns["valid"] += [rng.random() < 0.9 for _ in range(length)]
    return columns


def best(call: Callable[[], object], budget: float = 3.0) -> float:
    """Seconds of the fastest of several calls: at least two, at most `budget` seconds of them."""
    times: list[float] = []
    while len(times) < 2 or (sum(times) < budget and len(times) < 30):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return min(times)


def measure(steps: int, groups: int) -> Measured:
    """Make a batch and time the methods on it."""
    columns = batch(steps, groups)
    distinct = len(set(zip(columns["group"], columns["observation"], strict=True))) / groups
    read = best(lambda: proxmo.Steps(**columns), budget=1.0)

    def cold(method: proxmo.Estimator) -> float:
        # A new object every time: nothing that `Steps` remembers may shorten a call.
        times = []
        while len(times) < 2 or (sum(times) < 3 and len(times) < 20):
            given = proxmo.Steps(**columns)
            start = time.perf_counter()
            method(given)
            times.append(time.perf_counter() - start)
        return min(times)

    seconds = {name: cold(proxmo.make(name)) for name in METHODS}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # Linux counts kilobytes, macOS bytes.
    return Measured(distinct, read, seconds, peak / (1e6 if sys.platform == "darwin" else 1e3))
