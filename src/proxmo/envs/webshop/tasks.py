"""WebShop's tasks, as the rest of the system asks for them."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np

from proxmo.envs import fingerprint
from proxmo.envs.base import Task
from proxmo.envs.webshop.catalog.catalog import Catalog
from proxmo.envs.webshop.catalog.goals import goal_id
from proxmo.errors import InputError

_log = logging.getLogger(__name__)

DEFAULT_PRODUCTS = 1000
"""Products of a generated catalog."""
EVALUATED = 500
"""The first so many goals are for evaluation (the protocol of the papers)."""
_FULL = ("items_shuffle.json", "items_ins_v2.json")
_SMALL = ("items_shuffle_1000.json", "items_ins_v2_1000.json")
_HUMAN = "items_human_ins.json"
_RECORDED = "goals.json"
_HOW_TO_GET = (
    "WebShop's setup script (github.com/princeton-nlp/WebShop, setup.sh) downloads "
    f"{_FULL[0]} and {_FULL[1]}, or the small {_SMALL[0]} and {_SMALL[1]}, to its folder data"
)
_VALID_SHARE = 10
"""One product in so many is for evaluation, where products are split."""


class GoalTasks:
    """A `TaskSet` over goals of a catalog."""

    def __init__(self, catalog: Catalog, goals: Sequence[int]):
        self.catalog, self.goals = catalog, goals

    @cached_property
    def fingerprint(self) -> str:
        """What tells these goals from those of the same numbers in another catalog."""
        told = hashlib.blake2b(str(len(self)).encode(), digest_size=8)
        for place in np.linspace(0, len(self) - 1, 16, dtype=np.intp):
            instruction = self.catalog.goals[int(self.goals[place])].instruction
            told.update(instruction.encode("utf-8", "surrogatepass"))
        return told.hexdigest()

    def __len__(self) -> int:
        return len(self.goals)

    def __getitem__(self, index: int) -> Task:
        number = int(self.goals[index])
        category = self.catalog.goals[number].category
        return Task(goal_id(number), category, {"catalog": self.catalog, "goal": number})


def load_tasks(
    split: str, path: str | None = None, seed: int = 0, count: int | None = None
) -> GoalTasks:
    """Goals of `split`, in the catalog of the folder `path`, else of `$WEBSHOP_DATA`.

    Splits by goal: "test" or "valid" (0 to 499), "train" (the others) and "eval" (500 to 1499,
    which the authors of WebShop kept for choosing among models; part of "train" here). Splits
    by product, in which no product is in both: "train_products" and "valid_products", one
    product in ten. Without a folder the catalog is generated from `seed`: "train" and "valid"
    (or "test") are then all goals of two catalogs. `count` takes the first so many.
    """
    if count is not None and count < 1:
        raise InputError(f"count must be >= 1, got {count}")
    data = path or os.environ.get("WEBSHOP_DATA")
    if data:
        catalog = load_folder(Path(data).expanduser())
        goals = _choose(split, catalog)
    else:
        if split not in ("train", "valid", "test"):
            raise InputError(
                f"a generated catalog has no split {split!r}, only 'train' and 'valid'; the "
                f"others need the official files. {_HOW_TO_GET}"
            )
        # Even seeds to train on, odd ones to evaluate: no catalog is ever used for both.
        catalog = Catalog.generate(2 * seed + (split != "train"), DEFAULT_PRODUCTS)
        goals = range(len(catalog.goals))
    if not len(goals):
        raise InputError(
            f"split {split!r} has no goals: the catalog has {len(catalog.goals)}, of which the "
            f"first {EVALUATED} are for evaluation"
        )
    return GoalTasks(catalog, goals[:count])


def load_folder(folder: Path) -> Catalog:
    """The catalog of WebShop's files in a folder, by their official names, gzipped or not.

    The full catalog comes before the small one; it has the goals that people wrote if their
    file is there too, the small one the synthetic goals, as in the papers.
    """
    files = _files(folder)
    items, instructions = files["items"], files["instructions"]
    assert items is not None
    assert instructions is not None
    return Catalog.load(
        items,
        instructions,
        files["human_instructions"],
        files["goals"],
        on_progress=_report,
    )


def data_fingerprint(path: str) -> str:
    """A name for the contents of the files that `load_folder` reads of a folder."""
    files = _files(Path(path).expanduser())
    return fingerprint.of_named({what: file for what, file in files.items() if file is not None})


def _files(folder: Path) -> dict[str, Path | None]:
    """The arguments of `Catalog.load` that are files, as they are called in a folder."""
    if not folder.is_dir():
        raise InputError(f"the path {str(folder)!r} is not a folder. {_HOW_TO_GET}")
    for items, instructions in (_FULL, _SMALL):
        found = _find(folder, items), _find(folder, instructions)
        if found[0] is None or found[1] is None:
            continue
        return {
            "items": found[0],
            "instructions": found[1],
            "human_instructions": _find(folder, _HUMAN) if items == _FULL[0] else None,
            "goals": _find(folder, _RECORDED) if items == _SMALL[0] else None,
        }
    raise InputError(f"{folder} has no catalog. {_HOW_TO_GET}")


def _find(folder: Path, name: str) -> Path | None:
    return next((p for p in (folder / name, folder / f"{name}.gz") if p.is_file()), None)


def _report(products: int) -> None:
    if products == 0:
        _log.info("building the catalog; it is kept for the next time")
    elif products % 50_000 == 0:
        _log.info("building the catalog: %d products", products)


def _choose(split: str, catalog: Catalog) -> Sequence[int]:
    number = len(catalog.goals)
    by_goal: dict[str, range] = {
        "test": range(number)[:EVALUATED],
        "valid": range(number)[:EVALUATED],
        "eval": range(number)[EVALUATED : 3 * EVALUATED],
        "train": range(number)[EVALUATED:],
    }
    by_product: dict[str, Callable[[str], bool]] = {
        "train_products": lambda asin: not _held_out(asin),
        "valid_products": _held_out,
    }
    if split in by_goal:
        return by_goal[split]
    if split not in by_product:
        known = ", ".join(sorted({*by_goal, *by_product}))
        raise InputError(f"WebShop has no split {split!r} (known: {known})")
    products = catalog.goals.products()
    asked = np.unique(products)
    taken = asked[[by_product[split](catalog.products[int(n)].asin) for n in asked]]
    return np.flatnonzero(np.isin(products, taken)).tolist()


def _held_out(asin: str) -> bool:
    """Whether a product is for evaluation: by its identifier, the same in every catalog."""
    digest = hashlib.blake2b(asin.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big") % _VALID_SHARE == 0
