"""The credit methods by name, for config files, command lines and adapters."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from proxmo.credit.gigpo import GiGPO
from proxmo.credit.grpo import GRPO
from proxmo.credit.proxmo import ProxMO, ProxMOEpisode, ProxMOStep
from proxmo.credit.reinforce import ReinforcePlusPlus
from proxmo.credit.released import ReleasedProxMO
from proxmo.credit.result import Estimator
from proxmo.credit.rloo import RLOO
from proxmo.errors import InputError

CREDIT: dict[str, type[Any]] = {
    "proxmo": ProxMO,
    "proxmo-episode": ProxMOEpisode,
    "proxmo-step": ProxMOStep,
    "proxmo-released": ReleasedProxMO,
    "grpo": GRPO,
    "gigpo": GiGPO,
    "rloo": RLOO,
    "reinforce++": ReinforcePlusPlus,
}
"""Name -> class. A new method is a file and a line here."""


def make(name: str, **options: Any) -> Estimator:
    """The estimator of that name with these options, the defaults where none is given.

    Raises:
        InputError: for a name or an option that does not exist, listing those that do.
    """
    if name not in CREDIT:
        raise InputError(f"credit method is {name!r}; choose one of {', '.join(CREDIT)}")
    known = [field.name for field in fields(CREDIT[name])]
    for option in options:
        if option not in known:
            raise InputError(
                f"credit method {name!r} has no option {option!r}; it has {', '.join(known)}"
            )
    return CREDIT[name](**options)
