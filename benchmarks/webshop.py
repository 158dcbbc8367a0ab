"""Speed and memory of the native WebShop engine.

    uv run python benchmarks/webshop.py                             # generated, 1,000 products
    uv run python benchmarks/webshop.py --data webshop/data         # the official files
    uv run python benchmarks/webshop.py --products 1000000          # built once, then kept

With `--recorded`, a file of recorded episodes (one JSON object a line, with `goal` and
`steps[].action`) is played instead of random actions. Searches and steps are timed by the
processor time that they take, so that other work on the machine does not count.
"""

from __future__ import annotations

import argparse
import gzip
import json
import multiprocessing
import random
import resource
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from proxmo.envs.webshop import Catalog, WebShopEnv
from proxmo.envs.webshop.catalog.tagger import default_tagger
from proxmo.envs.webshop.tasks import load_folder
from proxmo.errors import ProxmoError

Row = tuple[str, str]
Plan = list[tuple[int, list[str] | None]]
"""Goals, and the actions to play for each: None for random ones."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--data", type=Path, help="folder of WebShop's files")
    parser.add_argument("--products", type=int, default=1000, help="size of a generated catalog")
    parser.add_argument("--cache", type=Path, help="where the built catalog is kept")
    parser.add_argument("--recorded", type=Path, help="recorded episodes to play, .jsonl.gz")
    parser.add_argument("--episodes", type=int, default=400, help="random episodes to play")
    parser.add_argument("--queries", type=int, default=400)
    parser.add_argument("--environments", type=int, default=1024, help="live at the same time")
    arguments = parser.parse_args()
    try:
        catalog, rows = load(arguments)
        rows += searches(catalog, arguments.queries)
        rows += episodes(catalog, plan(catalog, arguments.recorded, arguments.episodes))
        rows += many(catalog, arguments.environments)
    except ProxmoError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"{catalog.source}: {len(catalog.products):,} products, {len(catalog.goals):,} goals")
    print(f"nouns from {default_tagger().name}\n")
    for what, value in rows:
        print(f"{what:58}{value:>16}")
    return 0


def load(arguments: argparse.Namespace) -> tuple[Catalog, list[Row]]:
    """The catalog, how long it took to build if it was not there, and to load in a new process."""
    began, built = time.perf_counter(), False

    def report(products: int) -> None:
        nonlocal built
        built = True
        if products % 100_000 == 0:
            print(f"{products:,} products, {time.perf_counter() - began:.0f} s", file=sys.stderr)

    if arguments.data is not None:
        catalog = load_folder(arguments.data)
    else:
        catalog = Catalog.generate(0, arguments.products, cache=arguments.cache, on_progress=report)
    rows = [("build the catalog and its index", seconds(began))] if built else []
    size = sum(path.stat().st_size for path in catalog.folder.iterdir())
    rows.append(("size on disk", megabytes(size)))
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        took, taken = pool.apply(first_use, (str(catalog.folder),))
    rows.append(("load in a new process, first search included", took))
    rows.append(("memory of its own, after 100 searches", taken))
    return catalog, rows


def first_use(folder: str) -> tuple[str, str]:
    """Time and memory of opening a built catalog and using it a little."""
    before, began = memory(), time.perf_counter()
    catalog = Catalog.open(folder)
    goals = catalog.goals
    catalog.search(goals[0].instruction.lower())
    took = seconds(began)
    searches(catalog, 100)
    return took, megabytes(memory() - before)


def searches(catalog: Catalog, count: int) -> list[Row]:
    """Searches for what goals ask for, none twice."""
    rng = random.Random(0)
    goals = rng.sample(range(len(catalog.goals)), min(count, len(catalog.goals)))
    queries = list(dict.fromkeys(catalog.goals[goal].instruction.lower() for goal in goals))
    took = []
    for query in queries:
        began = time.process_time()
        catalog.search(query)
        took.append(time.process_time() - began)
    ranked = sorted(took)
    return [
        ("search, median", milliseconds(statistics.median(took))),
        ("search, 95 of 100 within", milliseconds(ranked[int(len(ranked) * 0.95)])),
    ]


def plan(catalog: Catalog, recorded: Path | None, count: int) -> Plan:
    if recorded is None:
        rng = random.Random(1)
        return [(rng.randrange(len(catalog.goals)), None) for _ in range(count)]
    with gzip.open(recorded, "rt", encoding="utf-8") as stream:
        lines = [json.loads(line) for line in stream]
    return [(line["goal"], [step["action"] for step in line["steps"]]) for line in lines]


def episodes(catalog: Catalog, planned: Plan) -> list[Row]:
    """All episodes three times, with more and more of what they need at hand."""
    kind = "random" if planned[0][1] is None else "recorded"
    rows = []
    for at_hand in ("nothing known", "nouns known", "all known"):
        # As a process that begins finds it; the last pass goes on from the one before.
        shop = catalog if at_hand == "all known" else Catalog(catalog.folder)
        steps, began = 0, time.process_time()
        env = WebShopEnv(shop, "text", max_steps=1000)
        for number, (goal, actions) in enumerate(planned):
            steps += play(env, goal, actions, random.Random(number))
        rate = steps / (time.process_time() - began)
        rows.append((f"steps a second, {kind} episodes, {at_hand}", f"{rate:,.0f}"))
        catalog = shop
    return rows


def play(env: WebShopEnv, goal: int, actions: Sequence[str] | None, rng: random.Random) -> int:
    """One episode; the number of its steps."""
    _, info = env.reset(options={"goal": goal})
    steps, over = 0, False
    while not over and (actions is None or steps < len(actions)):
        if actions is not None:
            action = actions[steps]
        elif info["has_search_bar"]:
            action = f"search[{info['goal']}]"
        else:
            action = rng.choice(info["admissible_actions"])
        _, _, over, truncated, info = env.step(action)
        over, steps = over or truncated or (actions is None and steps >= 14), steps + 1
    return steps


def many(catalog: Catalog, count: int) -> list[Row]:
    """Memory of many environments on one catalog."""
    before = memory()
    live = [WebShopEnv(catalog) for _ in range(count)]
    for number, env in enumerate(live):
        _, info = env.reset(options={"goal": number % len(catalog.goals)})
        env.step(f"search[{info['goal']}]")
    return [(f"memory of {count:,} live environments", megabytes(memory() - before))]


def memory() -> float:
    """Memory of this process alone, in bytes: pages of mapped files are not counted.

    Where the system does not say, the process's peak.
    """
    status = Path("/proc/self/statm")
    if status.is_file():
        resident, shared = map(int, status.read_text().split()[1:3])
        return (resident - shared) * resource.getpagesize()
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def seconds(began: float) -> str:
    return f"{time.perf_counter() - began:.2f} s"


def megabytes(size: float) -> str:
    return f"{size / 1e6:.0f} MB"


def milliseconds(duration: float) -> str:
    return f"{duration * 1e3:.3f} ms"


if __name__ == "__main__":
    sys.exit(main())
