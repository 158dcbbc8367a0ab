"""Credit assignment and training for language-model agents that act over many turns.

`pip install proxmo` gives the credit library, re-exported here:

    import proxmo

    steps = proxmo.Steps(group=..., trajectory=..., step=..., observation=...,
                         reward=..., success=...)
    advantage = proxmo.ProxMO()(steps).advantage

Names are loaded when first used, so that `import proxmo` costs next to nothing;
`proxmo.__version__` is looked up in the installed package when asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from proxmo.credit import (
        CREDIT,
        G2PO,
        GRPO,
        HGPO,
        RLOO,
        Bellman,
        Credit,
        Estimator,
        GiGPO,
        GraphGPO,
        ProxMO,
        ProxMOEpisode,
        ProxMOStep,
        ReinforcePlusPlus,
        ReleasedProxMO,
        Steps,
        TurnIndex,
        make,
    )
    from proxmo.errors import InputError, ProxmoError, ProxmoWarning

    __version__: str

__all__ = [
    "CREDIT",
    "G2PO",
    "GRPO",
    "HGPO",
    "RLOO",
    "Bellman",
    "Credit",
    "Estimator",
    "GiGPO",
    "GraphGPO",
    "InputError",
    "ProxMO",
    "ProxMOEpisode",
    "ProxMOStep",
    "ProxmoError",
    "ProxmoWarning",
    "ReinforcePlusPlus",
    "ReleasedProxMO",
    "Steps",
    "TurnIndex",
    "__version__",
    "make",
]

_ERRORS = ("InputError", "ProxmoError", "ProxmoWarning")


def __getattr__(name: str) -> Any:
    """Load a public name from the module that defines it."""
    if name not in __all__:
        raise AttributeError(f"module 'proxmo' has no attribute {name!r}")
    if name == "__version__":
        metadata = import_module("importlib.metadata")
        try:
            value = metadata.version("proxmo")
        except metadata.PackageNotFoundError:  # run from a source tree that is not installed
            value = "unknown"
    else:
        module = import_module("proxmo.errors" if name in _ERRORS else "proxmo.credit")
        value = getattr(module, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
