"""Which versions of the frameworks the adapters were tested with.

Loads none of them: versions are read from installed metadata.
"""

from __future__ import annotations

import os
import re
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
better than advantages that end up in the wrong place: only this release and later ones of its
series, such as 0.9, are taken without asking. The ranges of the extras say the same.
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
    """Whether `version` is the release that was tested, or a later one of its series."""
    least, found = _release(TESTED[package]), _release(version)
    early = found == least and re.search(r"\d\.?(a|b|rc|dev)\d", version) is not None
    return found[:2] == least[:2] and found >= least and not early


def _release(version: str) -> tuple[int, ...]:
    """The numbers of a version's release, three of them: 0.9.1 of 0.9.1+cu130 and 0.9.1rc1."""
    stated = re.match(r"\d+(\.\d+)*", version)
    numbers = [int(number) for number in stated[0].split(".")] if stated else []
    return (*numbers, 0, 0, 0)[:3]


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
