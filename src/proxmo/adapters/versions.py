"""Which versions of the frameworks the adapters were tested with.

Loads none of them: versions are read from installed metadata.
"""

from __future__ import annotations

import os
from importlib import metadata

from proxmo.errors import InputError

TESTED: dict[str, tuple[str, ...]] = {
    "skyrl": ("0.4.0",),
    "verifiers": ("0.4.0",),
    "verl": ("0.9.1",),
}
"""Distribution -> versions against which the adapter's tests ran."""

OVERRIDE = "PROXMO_ALLOW_UNTESTED"
"""Environment variable: names of packages, comma-separated, to try at any version."""


def installed_version(package: str) -> str | None:
    """The installed version of a distribution, or None."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def is_tested(package: str, version: str) -> bool:
    """Whether `version` is one that was tested; a local label such as `+cu130` is no matter."""
    return version.partition("+")[0] in TESTED[package]


def is_allowed(package: str) -> bool:
    """Whether the user asked to try `package` at any version."""
    return package in (name.strip() for name in os.environ.get(OVERRIDE, "").split(","))


def check_version(package: str) -> str:
    """The installed version of `package`, if it was tested or the user wants to try it.

    Raises:
        InputError: naming the version found, those tested, and both ways out.
    """
    tested = ", ".join(TESTED[package])
    found = installed_version(package)
    if found is None:
        raise InputError(
            f"{package} is not installed; pip install 'proxmo[{package}]' (tested: {tested})"
        )
    if not (is_tested(package, found) or is_allowed(package)):
        raise InputError(
            f"{package} is {found}; proxmo's adapter was tested with {tested}. Install one of "
            f"these, or set {OVERRIDE}={package} to try {found} all the same"
        )
    return found
