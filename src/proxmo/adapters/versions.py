"""Which versions of a framework an adapter was tested with, and what to do about others."""

from __future__ import annotations

import os
from importlib import metadata

from packaging.specifiers import SpecifierSet

from proxmo.errors import InputError

OVERRIDE = "PROXMO_UNTESTED_VERSIONS"
"""Environment variable: names of packages, with commas, whose version is not to be checked."""


def require_version(package: str, tested: str, extra: str) -> None:
    """Refuse a version of `package` outside `tested`, such as ">=1.16,<1.17".

    Adapters reach into parts of a framework that it may change with any version; an error
    here is better than advantages that end up in the wrong place. `extra` is the extra of
    proxmo that installs a tested version.

    Raises:
        InputError: naming the version found, the tested ones and the ways out, also when
            the package is not installed at all.
    """
    install = f"pip install 'proxmo[{extra}]'"
    try:
        found = metadata.version(package)
    except metadata.PackageNotFoundError:
        raise InputError(f"{package} is not installed; install it with: {install}") from None
    trusted = {name.strip() for name in os.environ.get(OVERRIDE, "").split(",")}
    if package in trusted or SpecifierSet(tested).contains(found, prereleases=True):
        return
    raise InputError(
        f"{package} {found} is not a version that proxmo's adapter was tested with ({tested}); "
        f"install one that is ({install}), or set {OVERRIDE}={package} to use it all the same"
    )
