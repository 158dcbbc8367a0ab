"""`proxmo serve`: an environment for every framework that speaks OpenEnv."""

from __future__ import annotations

import errno
import socket
from collections.abc import Sequence
from typing import Annotated, Any

import tyro
from pydantic import Field
from pydantic.dataclasses import dataclass as checked

from proxmo.adapters.openenv import ServedTasks, make_app
from proxmo.commands.console import make_console
from proxmo.commands.options import parse_options
from proxmo.envs import registry
from proxmo.errors import InputError

MESSAGE_BYTES = 1 << 20
"""Longest message of a client."""


@checked(frozen=True)
class ServeOptions:
    """Serve an environment over OpenEnv's protocol: many sessions at once, one task each."""

    env: tyro.conf.Positional[str] = "alfworld"
    """Environment: a name of the registry, or `module:NAME` of an `EnvSpec`."""
    data: Annotated[str | None, tyro.conf.arg(aliases=["--games"])] = None
    """Data of the environment (ALFWorld: game file, folder or archive; WebShop: folder); none:
    what its variable says ($ALFWORLD_DATA, $WEBSHOP_DATA), else generated tasks."""
    splits: tuple[str, ...] = ("train", "valid")
    """Splits that are served; sessions that name none get the first."""
    count: Annotated[int, Field(ge=1)] | None = None
    """Tasks of each split, at least 1; the environment's own default otherwise."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Seed of generated tasks, at least 0."""
    max_steps: Annotated[int, Field(ge=1)] | None = None
    """Steps after which an episode is cut off, at least 1."""
    max_sessions: Annotated[int, Field(ge=1)] = 256
    """Sessions at once, at least 1; one more is refused."""
    host: str = "127.0.0.1"
    """Address to listen on; 0.0.0.0 lets other machines in, without any check of who they are."""
    port: Annotated[int, Field(ge=0, le=65535)] = 8000
    """Port to listen on; 0 takes any free one."""


def main(arguments: Sequence[str]) -> None:
    """Serve until interrupted."""
    options = parse_options(ServeOptions, arguments, prog="proxmo serve")
    spec = registry.get(options.env)
    if not options.splits:
        raise InputError("--splits names no split; give at least one")
    tasks = ServedTasks(spec, options.splits, options.data, options.seed, options.count)
    tasks.of(options.splits[0])  # what is wrong with the data is said now
    app = make_app(spec, tasks, max_sessions=options.max_sessions, max_steps=options.max_steps)
    listener = _listen(options.host, options.port)
    host, port = listener.getsockname()[:2]
    host = f"[{host}]" if ":" in host else host
    make_console().print(
        f"serving {spec.name} at http://{host}:{port} (sessions at ws://{host}:{port}/ws, "
        f"{options.max_sessions} at most); Ctrl-C ends it"
    )
    _serve(app, listener)


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise InputError(f"--host {host}: {error.strerror}; give an address to listen on") from None
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(address)
        # Only a socket that listens keeps the port from others; uvicorn listens once more.
        listener.listen()
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise InputError(
                f"port {port} of {host} is in use; choose another with --port (0: any free one)"
            ) from None
        raise InputError(f"cannot listen on {host}:{port}: {error.strerror}") from None
    return listener


def _serve(app: Any, listener: socket.socket) -> None:
    import uvicorn  # comes with OpenEnv, whose absence has been explained by now

    config = uvicorn.Config(app, log_level="warning", ws_max_size=MESSAGE_BYTES)
    try:
        uvicorn.Server(config).run(sockets=[listener])
    except KeyboardInterrupt:  # uvicorn has shut down in order, and then passes it on
        pass
    finally:
        listener.close()
