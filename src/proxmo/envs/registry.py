"""Environments by name.

An environment is described by one `EnvSpec`. It is found as `my_package.toy:SPEC`; by its name
alone once `register(SPEC)` was called, or when the package that is installed names it among its
entry points:

    [project.entry-points."proxmo.envs"]
    toy = "my_package.toy:SPEC"
"""

from __future__ import annotations

import sys
from difflib import get_close_matches
from importlib import metadata
from pathlib import Path

from proxmo.envs.spec import EnvSpec, import_object
from proxmo.errors import InputError

ENTRY_POINTS = "proxmo.envs"
"""Group of entry points in which an installed package names its environments."""

OURS = {
    "alfworld": "proxmo.envs.alfworld.spec:SPEC",
    "webshop": "proxmo.envs.webshop.spec:SPEC",
}
"""Environments of proxmo's own -> where their specs are."""

DEFAULT = "alfworld"
"""The environment of whoever names none."""

_SPECS: dict[str, EnvSpec] = {}


def register(spec: EnvSpec) -> None:
    """Add an environment; a name that is taken is refused."""
    if spec.name in _SPECS or spec.name in OURS:
        raise InputError(f"environment {spec.name!r} is registered already; choose another name")
    _SPECS[spec.name] = spec


def get(name: str) -> EnvSpec:
    """The environment called `name`, or the `EnvSpec` at `module:NAME`.

    Modules in the working directory are found too. An unknown name is refused with the known
    ones.
    """
    if name in _SPECS:
        return _SPECS[name]
    if name in OURS:
        return import_object(OURS[name])
    installed = _installed()
    if name in installed:
        return _spec_at(installed[name])
    if ":" in name:
        return _spec_at(name)
    close = get_close_matches(name, names(), n=1)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    raise InputError(
        f"unknown environment {name!r}{hint} (known: {', '.join(names())}; of your own: "
        "module:NAME)"
    )


def names() -> list[str]:
    """All names, registered here or by an installed package, sorted."""
    return sorted({*_SPECS, *OURS, *_installed()})


def _installed() -> dict[str, str]:
    return {entry.name: entry.value for entry in metadata.entry_points(group=ENTRY_POINTS)}


def _spec_at(path: str) -> EnvSpec:
    """The `EnvSpec` at `module:NAME`, which the user named."""
    if "" not in sys.path and str(Path.cwd()) not in sys.path:
        sys.path.append(str(Path.cwd()))  # an installed command does not look there by itself
    try:
        spec = import_object(path)
    except (ImportError, AttributeError, ValueError, TypeError) as error:
        raise InputError(
            f"environment {path!r} cannot be imported ({error}); give module:NAME of an EnvSpec, "
            "in the working directory or installed"
        ) from error
    if not isinstance(spec, EnvSpec):
        raise InputError(f"{path!r} is a {type(spec).__name__}; an environment is an EnvSpec")
    return spec
