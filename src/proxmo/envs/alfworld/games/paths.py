"""What the path of a game says: its name, its split, its kind of task."""

from __future__ import annotations

import json
from collections.abc import Sequence

from proxmo.envs.alfworld.games.game import GAME_FILE, TASK_TYPES

SPLITS = ("train", "valid_seen", "valid_unseen", "valid_train", "valid")


def is_left_out(parts: Sequence[str]) -> bool:
    """ALFWorld's own loader skips folders so named."""
    return any("movable" in part or "Sliced" in part for part in parts[:-1])


def identify(parts: Sequence[str], below: int) -> tuple[str, str]:
    """(game id, split) from the parts of a game file's path.

    A file that is not called as the official ones are gives its own name to the id: there may
    be several in a folder.
    """
    folders, file = parts[:-1], parts[-1]
    own = [] if file == GAME_FILE else [file.removesuffix(".tw-pddl")]
    for i in range(len(folders) - 1, -1, -1):
        if folders[i] in SPLITS:
            return "/".join([*folders[i:], *own]), folders[i]
    return "/".join([*folders[len(parts) - below :], *own]) or file, ""


def task_type_of(parts: Sequence[str]) -> str | None:
    """The task type that an official folder's name starts with."""
    for part in reversed(parts[:-1]):
        kind = part.partition("-")[0]
        if kind in TASK_TYPES:
            return kind
    return None


def told_task_type(data: bytes) -> str:
    """The task type that a `traj_data.json` tells; "unknown" where it tells none."""
    try:
        told = json.loads(data).get("task_type")
    except (ValueError, RecursionError, AttributeError):
        return "unknown"
    return told if isinstance(told, str) else "unknown"
