"""What entities are called in sentences."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from sys import intern


def display_names(entities: Iterable[str]) -> dict[str, str]:
    """ALFWorld's name of every entity (of an id in a problem), such as "drawer 3".

    `drawer_bar__minus_00...` is called after what stands before the first `_bar_`
    (with "basin" added if the id has it) and numbered downwards in the order of ids.
    """
    # PDDL knows no upper case; who writes a problem may.
    ids = sorted(entities, key=str.lower)
    kinds = {name: _kind(name.lower()) for name in ids}
    left = Counter(kind for kind in kinds.values() if kind is not None)
    names = {}
    for name in ids:
        kind = kinds[name]
        if kind is None:
            names[name] = intern(f"{_plain(name)} ")
        else:
            names[name] = intern(f"{kind} {left[kind]}")
            left[kind] -= 1
    return names


def _kind(name: str) -> str | None:
    kind, bar, _ = name.partition("_bar_")
    if not bar:
        return None
    return kind + "basin" if "basin" in name else kind


_MANGLED: Mapping[str, str] = {"_minus_": "-", "_plus_": "+", "_dot_": ".", "_comma_": ","}


def _plain(name: str) -> str:
    for mangled, plain in _MANGLED.items():
        name = name.replace(mangled, plain)
    return name
