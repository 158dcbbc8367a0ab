"""What a run began with: all that decides its numbers. With anything else it does not go on."""

from __future__ import annotations

import dataclasses
import tomllib
import warnings
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomli_w

import proxmo
from proxmo.config import TrainConfig, config_dict, parse_config
from proxmo.errors import InputError, ProxmoWarning
from proxmo.files import write_text

CHANGEABLE = {
    "optim": {"updates", "micro_batch_tokens"},
    "run": {"keep_checkpoints", "save_trajectories", "out", "tracker"},
}
"""Settings that a resumed run may be given anew: no number depends on them but by rounding."""

_PLACES = {"policy": {"model"}, "env": {"data"}}
"""Settings that say where something is; what is there has a fingerprint of its own."""


@dataclass(frozen=True, slots=True)
class Start:
    """The start of a run, as its folder keeps it in `start.toml`."""

    proxmo: str
    """Version of the package."""
    data: str
    """Fingerprint of the environment's data; see `EnvSpec.fingerprint`."""
    max_steps: int
    """Most steps of an episode, as it was resolved."""
    prompt: dict[str, Any]
    """How the policy reads and how much it may say, as it was resolved."""
    settings: dict[str, dict[str, Any]]
    """The settings by section, but for the changeable ones and for places."""


def start_of(config: TrainConfig, data: str, max_steps: int, prompt: Any) -> Start:
    """What a run begins with; `prompt` is a dataclass of plain values."""
    told = {k: v for k, v in dataclasses.asdict(prompt).items() if v is not None}
    return Start(proxmo.__version__, data, max_steps, told, _placeless(config))


def _deciding(config: TrainConfig) -> dict[str, dict[str, Any]]:
    """The settings that numbers depend on."""
    return _without(config_dict(config), CHANGEABLE)


def _placeless(config: TrainConfig) -> dict[str, dict[str, Any]]:
    return _without(_deciding(config), _PLACES)


def _without(
    settings: dict[str, dict[str, Any]], left_out: Mapping[str, Collection[str]]
) -> dict[str, dict[str, Any]]:
    return {
        section: {k: v for k, v in table.items() if k not in left_out.get(section, ())}
        for section, table in settings.items()
    }


def changed_setting(before: TrainConfig, now: TrainConfig) -> tuple[str, Any, Any] | None:
    """A setting that a run cannot go on with when changed, its old and its new value."""
    return _difference(_deciding(before), _deciding(now))


def _difference(
    before: dict[str, dict[str, Any]], now: dict[str, dict[str, Any]]
) -> tuple[str, Any, Any] | None:
    """The first of the settings that differs: `section.key`, its old and its new value."""
    for section in sorted(before.keys() | now.keys()):
        old, new = before.get(section, {}), now.get(section, {})
        # The method first: with another one all else of its section is another.
        for key in sorted(old.keys() | new.keys(), key=lambda key: (key != "method", key)):
            if old.get(key) != new.get(key):
                return f"{section}.{key}", old.get(key), new.get(key)
    return None


def check_start(folder: Path, began: Start, now: Start) -> None:
    """Refuse to go on with other data, another way of prompting or other settings, by name.

    Another version of proxmo is warned of: its numbers may differ.
    """
    if began.data != now.data:
        raise InputError(
            f"--resume {folder} began with other data than there is now (fingerprint {began.data}, "
            f"now {now.data}); put the data back, or start a new run"
        )
    pairs = [("max_steps", began.max_steps, now.max_steps)]
    pairs += [
        (f"prompt {key}", began.prompt[key], value)
        for key, value in now.prompt.items()
        if key in began.prompt
    ]
    # Read as settings, so that one that is newer than the run has its default.
    change = _difference(_placeless(parse_config(began.settings, f"{folder}")), now.settings)
    for name, old, new in [*pairs, *([change] if change else [])]:
        if old != new:
            raise InputError(
                f"--resume {folder} began with {name} = {old!r} and cannot go on with {new!r}; "
                "start a new run for other settings"
            )
    if began.proxmo != now.proxmo:
        warnings.warn(
            f"run {folder} began with proxmo {began.proxmo} and goes on with {now.proxmo}: its "
            "numbers may differ from those of an undisturbed run",
            ProxmoWarning,
            stacklevel=2,
        )


def write_start(file: Path, start: Start) -> None:
    """Write what a run begins with."""
    write_text(file, tomli_w.dumps(dataclasses.asdict(start)))


def read_start(file: Path) -> Start | None:
    """What a run began with; None where it is not on record."""
    if not file.is_file():
        return None
    try:
        start = Start(**tomllib.loads(file.read_text(encoding="utf-8")))
        if not isinstance(start.prompt, dict) or not all(
            isinstance(table, dict) for table in start.settings.values()
        ):
            raise TypeError("a section is no table")
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise InputError(
            f"{file} is damaged ({error}), so that nothing says what the run began with; "
            "restore it, or start a new run"
        ) from None
    return start
