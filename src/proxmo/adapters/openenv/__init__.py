"""OpenEnv: proxmo's environments for everybody who speaks it, and everybody's for proxmo.

    from proxmo.adapters.openenv import RemoteSpec, make_app

`proxmo serve` starts a server from the command line. Raises `InputError` on import when the
installed OpenEnv is not a version that was tested.
"""

from proxmo.adapters.versions import check_version

check_version("openenv")

from proxmo.adapters.openenv.client import RemoteEnv, RemoteSpec  # noqa: E402  # after the check
from proxmo.adapters.openenv.server import (  # noqa: E402
    ServedEnvironment,
    ServedTasks,
    TextAction,
    TextObservation,
    make_app,
)

__all__ = [
    "RemoteEnv",
    "RemoteSpec",
    "ServedEnvironment",
    "ServedTasks",
    "TextAction",
    "TextObservation",
    "make_app",
]
