"""The credit methods by name, for config files, command lines and adapters."""

from __future__ import annotations

from dataclasses import fields
from difflib import get_close_matches
from typing import Any

from proxmo.credit.bellman import Bellman
from proxmo.credit.g2po import G2PO
from proxmo.credit.gigpo import GiGPO
from proxmo.credit.graphgpo import GraphGPO
from proxmo.credit.grpo import GRPO
from proxmo.credit.hgpo import HGPO
from proxmo.credit.proxmo import ProxMO, ProxMOEpisode, ProxMOStep
from proxmo.credit.reinforce import ReinforcePlusPlus
from proxmo.credit.released import ReleasedProxMO
from proxmo.credit.result import Estimator
from proxmo.credit.rloo import RLOO
from proxmo.credit.turn_index import TurnIndex
from proxmo.errors import InputError

CREDIT: dict[str, type[Any]] = {
    "proxmo": ProxMO,
    "proxmo-episode": ProxMOEpisode,
    "proxmo-step": ProxMOStep,
    "proxmo-released": ReleasedProxMO,
    "grpo": GRPO,
    "gigpo": GiGPO,
    "hgpo": HGPO,
    "graphgpo": GraphGPO,
    "g2po": G2PO,
    "bellman": Bellman,
    "turn-index": TurnIndex,
    "rloo": RLOO,
    "reinforce++": ReinforcePlusPlus,
}
"""Name -> class. A new method is a file and a line here."""


DEFAULT_METHOD = "proxmo"
"""The method of whoever names none."""


def make(name: str, /, **options: Any) -> Estimator:
    """The estimator of that name with these options, the defaults where none is given.

    Raises:
        InputError: for a name or an option that does not exist, listing those that do, and for
            a value that the method refuses.
    """
    for option in options:
        check_option(name, option)
    return _class_of(name)(**options)


def defaults(name: str) -> dict[str, Any]:
    """The options of a method, with the values that it gives them.

    Raises:
        InputError: for a name that does not exist, listing those that do.
    """
    made = _class_of(name)()
    return {option.name: getattr(made, option.name) for option in fields(made)}


def check_option(name: str, option: str) -> None:
    """Refuse an option that the method of that name does not have, with the nearest it has."""
    known = [field.name for field in fields(_class_of(name))]
    if option not in known:
        close = get_close_matches(option, known, n=1)
        way_out = f"did you mean {close[0]!r}?" if close else f"it has {', '.join(known)}"
        raise InputError(f"credit method {name!r} has no option {option!r}; {way_out}")


def _class_of(name: str) -> type[Any]:
    if not isinstance(name, str) or name not in CREDIT:
        raise InputError(f"credit method is {name!r}; choose one of {', '.join(CREDIT)}")
    return CREDIT[name]


def method_of(estimator: Estimator) -> str:
    """The name under which an estimator's class is in `CREDIT`."""
    for name, method in CREDIT.items():
        if type(estimator) is method:
            return name
    raise InputError(
        f"{type(estimator).__name__} is no method of proxmo.CREDIT; give it a name there: "
        f"proxmo.CREDIT['my-method'] = {type(estimator).__name__}"
    )
