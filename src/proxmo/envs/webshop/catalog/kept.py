"""The folder of a built catalog: where it is, and whether it is as it was written."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from proxmo.envs import fingerprint
from proxmo.errors import InputError
from proxmo.files import cache_folder

FORMAT = 3
"""Raised when what is in a built folder changes, or how it is computed."""
_META = "meta.json"
_KINDS = {"format": int, "source": str, "products": int, "digests": dict}


def place(cache: str | Path | None, key: list[Any]) -> Path:
    """The folder for the catalog that `key` makes, in `cache` or `$PROXMO_CACHE`."""
    name = hashlib.blake2b(json.dumps([FORMAT, *key]).encode(), digest_size=12).hexdigest()
    if cache is not None:
        return Path(cache).expanduser() / name
    return cache_folder() / "webshop" / name


def is_built(folder: Path) -> bool:
    """Whether a catalog was finished there."""
    return (folder / _META).is_file()


def write_meta(folder: Path, source: str, products: int) -> None:
    """Write what the folder was made from, and a digest of every file in it."""
    digests = fingerprint.of_each({path.name: path for path in sorted(folder.iterdir())})
    meta = {"format": FORMAT, "source": source, "products": products, "digests": digests}
    (folder / _META).write_text(json.dumps(meta), encoding="utf-8")


def read_meta(folder: Path) -> dict[str, Any]:
    """What `write_meta` wrote, once every file is seen to be as it was then.

    Raises `InputError` that names the file that is not, and the way out.
    """
    try:
        meta = json.loads((folder / _META).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        meta = None
    if isinstance(meta, dict) and meta.get("format") not in (FORMAT, None):
        raise InputError(f"the catalog in {folder} was built by another version; build it again")
    if not isinstance(meta, dict) or not all(
        isinstance(meta.get(key), kind) for key, kind in _KINDS.items()
    ):
        raise InputError(
            f"{folder} holds no built catalog that can be read; make one with Catalog.load (a "
            "damaged one is built again once its folder is deleted)"
        )
    files = {name: folder / name for name in meta["digests"]}
    there = {name: path for name, path in files.items() if path.is_file()}
    found = fingerprint.of_each(there)
    for name, digest in meta["digests"].items():
        if found.get(name) != digest:
            raise InputError(
                f"the catalog in {folder} is damaged: {name} is "
                + ("not as it was written" if name in there else "gone")
                + "; delete the folder, and it is built again"
            )
    return meta
