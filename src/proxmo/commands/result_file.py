"""The file of an evaluation's result, and what its unfinished answers were given for.

A file is written over by a result of the same settings alone: another's may be an hour's work.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from proxmo.errors import InputError
from proxmo.files import sweep, write_text
from proxmo.policies.journal import Journal

_PLACES = {"data": "data_fingerprint", "examples": "examples_digest", "model": "weights"}
"""Settings that say where something is, and those that say what is there."""


def check_out(out: Path) -> None:
    """Refuse a file that cannot be written, or that holds anything but a result.

    An evaluation can take an hour: that it has nowhere to go is said before it begins. What
    killed ones left beside it is swept.
    """
    if out.is_dir() or not out.absolute().parent.is_dir():
        raise InputError(f"--out {out} cannot be written: give a file in a folder that exists")
    _result(out)
    sweep(out.absolute().parent)


def check_same(out: Path, settings: Mapping[str, Any]) -> None:
    """Refuse a file that holds the result of other settings, naming the first that differs."""
    before = _result(out)
    change = None if before is None else _difference(before, settings)
    if change is not None:
        name, old, new = change
        raise InputError(
            f"--out {out} holds a result that was measured with {name} {old!r}, and this "
            f"evaluation has {new!r}; give another --out, or delete the file"
        )


def write_result(out: Path, record: Mapping[str, Any]) -> None:
    """Write a result, whole or not at all; a device, such as `/dev/stdout`, takes it as it comes.

    What a link points to is written, and the link stays.
    """
    text = json.dumps(record, indent=2) + "\n"
    if out.exists() and not out.is_file():
        out.write_text(text, encoding="utf-8")
    else:
        write_text(out.resolve(), text)


def answers_file(out: Path | None) -> Path | None:
    """Where a server's answers are kept until the result is written; a device has no place
    beside it."""
    if out is None or (out.exists() and not out.is_file()):
        return None
    return out.with_name(f"{out.name}.answers.jsonl")


def settings_file(journal: Journal) -> Path:
    """Beside a server's answers: what they were given for."""
    return journal.path.with_suffix(".settings.json")


def check_answers(journal: Journal, settings: Mapping[str, Any]) -> None:
    """Refuse answers on record that were given for something else; put on record what for.

    Other tasks, or another seed, would make one result of two evaluations.
    """
    file = settings_file(journal)
    if len(journal) and file.is_file():
        before = _table(file)
        if before is None:
            raise InputError(
                f"{file} is damaged, so that nothing says what the answers in {journal.path} were "
                "given for; delete both to begin anew"
            )
        change = _difference(before, settings)
        if change is not None:
            name, old, new = change
            raise InputError(
                f"the answers kept in {journal.path} were given with {name} {old!r}, and this "
                f"evaluation has {new!r}; give the same command to go on, or another --out to "
                "begin anew"
            )
    write_text(file, json.dumps(settings) + "\n")


def forget_answers(journal: Journal) -> None:
    """Delete a server's answers and what they were given for: the result is written.

    The answers go last: killed before, the same command asks for none of them again.
    """
    settings_file(journal).unlink(missing_ok=True)
    journal.remove()


def _result(out: Path) -> dict[str, Any] | None:
    """The result in a file; None where nothing is in it, or nothing can be.

    Raises:
        InputError: when the file holds anything else.
    """
    if not out.is_file() or not out.stat().st_size:
        return None
    result = _table(out)
    if result is None or "overall" not in result:
        raise InputError(
            f"--out {out} holds something other than a result of `proxmo evaluate`; give another "
            "file"
        )
    return result


def _table(file: Path) -> dict[str, Any] | None:
    """The JSON object in a file; None where there is none."""
    try:
        table = json.loads(file.read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        return None
    return table if isinstance(table, dict) else None


def _difference(before: Mapping[str, Any], now: Mapping[str, Any]) -> tuple[str, Any, Any] | None:
    """The first setting that is another one now, its old and its new value.

    One that is not on record was set by an earlier version, nobody knows how. Places are not
    compared where it is known what is there: data that was moved is the same data.
    """
    for name, new in now.items():
        known = _PLACES.get(name)
        moved = known is not None and before.get(known) is not None and now[known] is not None
        if not moved and name in before and before[name] != new:
            return name, before[name], new
    return None
