"""Which versions of the frameworks the adapters were tested with.

Loads none of them: versions are read from installed metadata.
"""

from __future__ import annotations

import os
from importlib import metadata

from proxmo.errors import InputError

TESTED = {
    "openenv": "0.10.0",
    "skyrl": "0.4.0",
    "trl": "1.16.0",
    "verifiers": "0.4.0",
    "verl": "0.9.1",
}
"""Distribution -> version against which the adapter's tests ran.

Adapters reach into parts of a framework that it may change with any release, and an error is
better than advantages that end up in the wrong place: only releases of the same series, such
as 0.9, are taken without asking.
"""

OVERRIDE = "PROXMO_ALLOW_UNTESTED"
"""Environment variable: names of packages, comma-separated, to try at any version."""


def installed_version(package: str) -> str | None:
    """The installed version of a distribution, or None."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def is_tested(package: str, version: str) -> bool:
    """Whether `version` is of the series that was tested."""
    return version.split(".")[:2] == TESTED[package].split(".")[:2]


def is_allowed(package: str) -> bool:
    """Whether the user asked to try `package` at any version."""
    return package in (name.strip() for name in os.environ.get(OVERRIDE, "").split(","))


def check_version(package: str) -> str:
    """The installed version of `package`, if it was tested or the user wants to try it.

    Raises:
        InputError: naming the version found, the one tested, and both ways out.
    """
    tested = TESTED[package]
    found = installed_version(package)
    if found is None:
        raise InputError(
            f"{package} is not installed; pip install 'proxmo[{package}]' (tested: {tested})"
        )
    if not (is_tested(package, found) or is_allowed(package)):
        raise InputError(
            f"{package} is {found}; proxmo's adapter was tested with {tested}. Install it "
            f"(pip install 'proxmo[{package}]'), or set {OVERRIDE}={package} to try {found} all "
            "the same"
        )
    return found
