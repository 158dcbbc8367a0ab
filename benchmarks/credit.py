"""What credit costs per update: time and memory, by size of the batch.

    uv run python benchmarks/credit.py            # all of it, about five minutes
    uv run python benchmarks/credit.py --quick    # without the two largest batches

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
    # A given number of steps per group: cost per step stays, so cost is linear in groups.
    (1_250, 4): None,
    (5_000, 16): Target(0.025),
    (20_000, 64): Target(0.060),
    (80_000, 256): None,
    (320_000, 1_024): None,
    (1_000_000, 3_300): Target(5.0, 2_000.0),
}
"""(steps, groups) -> target for ProxMO, where there is one."""

METHODS: dict[str, Callable[[proxmo.Steps], object]] = {
    **{name: proxmo.make(name) for name in proxmo.CREDIT},
    "proxmo lam=0": proxmo.ProxMO(lam=0.0),
    "proxmo leave_one_out": proxmo.ProxMO(leave_one_out=True),
    "bellman tfidf": proxmo.Bellman(similarity="tfidf"),
}


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
    rooms = [room(rng) for _ in range(groups)]
    skills = [rng.random() for _ in range(groups)]
    for number in range(groups * GROUP_SIZE):
        group = number // GROUP_SIZE
        observations = rooms[group]
        # Whole numbers of steps that add up to exactly `steps`.
        share = steps * (number + 1) // (groups * GROUP_SIZE)
        length = share - steps * number // (groups * GROUP_SIZE)
        success = rng.random() < skills[group]
        columns["group"] += [f"task-{group}"] * length
        columns["trajectory"] += [f"task-{group}-{number % GROUP_SIZE}"] * length
        columns["step"] += range(length)
        columns["observation"] += [observations[0], *rng.choices(observations, k=length - 1)]
        columns["reward"] += [0.0] * (length - 1) + [REWARD * success]
        columns["success"] += [success] * length
        columns["valid"] += [rng.random() < 0.9 for _ in range(length)]
    return columns


def best(call: Callable[[proxmo.Steps], object], columns: dict[str, list]) -> float:
    """Seconds of the fastest of several calls, each on a batch that was never used before.

    At least 3 calls; more, up to 30, while they have taken less than 3 seconds together.
    """
    times: list[float] = []
    while len(times) < 3 or (sum(times) < 3 and len(times) < 30):
        steps = proxmo.Steps(**columns)  # nothing it remembers may shorten a call
        start = time.perf_counter()
        call(steps)
        times.append(time.perf_counter() - start)
    return min(times)


def measure(steps: int, groups: int) -> Measured:
    """Make a batch and time the methods on it."""
    columns = batch(steps, groups)
    distinct = len(set(zip(columns["group"], columns["observation"], strict=True))) / groups
    read = best(lambda _: proxmo.Steps(**columns), columns)
    seconds = {name: best(method, columns) for name, method in METHODS.items()}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # macOS counts bytes, Linux kilobytes.
    megabytes = peak / (1e6 if sys.platform == "darwin" else 1e3)
    return Measured(distinct, read, seconds, megabytes)


def verdict(measured: Measured, target: Target | None) -> str:
    """What was aimed at, and whether it was reached."""
    if target is None:
        return ""
    aim = f"<= {1000 * target.seconds:,.0f} ms"
    if target.megabytes < float("inf"):
        aim += f", < {target.megabytes:,.0f} MB"
    met = measured.seconds["proxmo"] <= target.seconds and measured.megabytes < target.megabytes
    return f"{aim}: {'met' if met else 'MISSED'}"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="What credit costs per update.")
    parser.add_argument("--quick", action="store_true", help="leave out the two largest batches")
    sizes = list(SIZES)[:-2] if parser.parse_args().quick else list(SIZES)
    columns = ["steps", "groups", "distinct/group", "read ms", *(f"{m} ms" for m in METHODS)]
    columns += ["proxmo us/step", "peak MB", "target for proxmo"]
    print("  ".join(columns), flush=True)
    for steps, groups in sizes:
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
            measured = process.submit(measure, steps, groups).result()
        cells = [f"{steps:,}", f"{groups:,}", f"{measured.distinct:.1f}"]
        cells += [f"{1000 * s:,.1f}" for s in (measured.read, *measured.seconds.values())]
        cells += [f"{1e6 * measured.seconds['proxmo'] / steps:.2f}", f"{measured.megabytes:,.0f}"]
        cells = [cell.rjust(len(name)) for cell, name in zip(cells, columns[:-1], strict=True)]
        print("  ".join([*cells, verdict(measured, SIZES[steps, groups])]), flush=True)


if __name__ == "__main__":
    main()
