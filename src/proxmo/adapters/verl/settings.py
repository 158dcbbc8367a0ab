"""What a user sets on verl's command line, under a key of its own: `+proxmo.method=proxmo`.

verl's `algorithm` section refuses keys that it does not know, hence the key of its own.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, get_args

from proxmo.credit import Estimator, make
from proxmo.envs.noise import check_noise
from proxmo.errors import InputError
from proxmo.prompts import PromptStyle


@dataclass(frozen=True, slots=True)
class VerlSettings:
    """The section `proxmo` of a verl configuration."""

    method: str = "proxmo"
    """Credit method, a name of `proxmo.CREDIT`."""
    credit: Mapping[str, Any] = field(default_factory=dict)
    """Its options, such as `temperature`; the authors' run where nothing is given."""
    style: PromptStyle = "think"
    """Prompt style: "think" (the paper's), "compact" or, where an environment has one,
    "numbered"."""
    history: int = 2
    """Past turns in a prompt, >= 0 (paper: 2)."""
    seed: int = 0
    """With the task, seeds an episode's environment: a group starts alike."""
    max_steps: int | None = None
    """Turns after which an episode is cut off; None: the environment's default."""
    noise: float = 0.0
    """Share of observations, in [0, 1], with a sentence that says nothing of the task."""
    env: Mapping[str, Any] = field(default_factory=dict)
    """Further options of the environment, such as `success_reward`."""

    def __post_init__(self) -> None:
        if self.style not in get_args(PromptStyle):
            choices = ", ".join(get_args(PromptStyle))
            raise InputError(f"proxmo.style is {self.style!r}; choose one of {choices}")
        if self.history < 0:
            raise InputError(f"proxmo.history is {self.history}; it must be >= 0")
        if self.max_steps is not None and self.max_steps < 1:
            raise InputError(f"proxmo.max_steps is {self.max_steps}; it must be >= 1")
        check_noise(self.noise)
        _ = self.estimator

    @property
    def estimator(self) -> Estimator:
        """The credit method with its options."""
        return make(self.method, **self.credit)


def read_settings(config: Mapping[str, Any]) -> VerlSettings:
    """The settings in the section `proxmo` of a whole verl configuration; defaults without it.

    Raises:
        InputError: for a key that does not exist, with the nearest that does.
    """
    section = plain(config.get("proxmo") or {})
    known = [entry.name for entry in dataclasses.fields(VerlSettings)]
    for key in section:
        if key not in known:
            close = get_close_matches(key, known, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"known are {', '.join(known)}"
            raise InputError(f"proxmo.{key} is not a setting; {hint}")
    return VerlSettings(**section)


def plain(section: Any) -> dict[str, Any]:
    """OmegaConf's mappings and lists as Python's own, all the way down."""
    return {key: _plain_value(value) for key, value in section.items()}


def _plain_value(value: Any) -> Any:
    if isinstance(value, Mapping) or hasattr(value, "items"):
        return plain(value)
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain_value(one) for one in value]
    return value
