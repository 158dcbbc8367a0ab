"""`proxmo serve`: an environment for every framework that speaks OpenEnv."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import tyro
from pydantic import Field
from pydantic.dataclasses import dataclass as checked
from rich.text import Text

from proxmo.adapters.openenv import ServedTasks, make_app
from proxmo.adapters.openenv.listening import listen, make_server
from proxmo.commands.console import make_console
from proxmo.commands.options import parse_options
from proxmo.config import Share
from proxmo.envs import registry
from proxmo.errors import InputError
from proxmo.text import shown


@checked(frozen=True)
class ServeOptions:
    """Serve an environment over OpenEnv's protocol: many sessions at once, one task each."""

    env: tyro.conf.Positional[str] = registry.DEFAULT
    """Environment: a name of the registry, or `module:NAME` of an `EnvSpec`."""
    data: Annotated[str | None, tyro.conf.arg(aliases=["--games"])] = None
    """Data of the environment, a file or folder; none: what its environment variable says, else
    generated tasks."""
    splits: tuple[str, ...] = ("train", "valid")
    """Splits that are served; sessions that name none get the first."""
    count: Annotated[int, Field(ge=1)] | None = None
    """Tasks of each split, at least 1; the environment's own default otherwise."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Seed of generated tasks, at least 0."""
    max_steps: Annotated[int, Field(ge=1)] | None = None
    """Steps after which an episode is cut off, at least 1."""
    noise: Share = 0.0
    """Share of observations, in [0, 1], that are followed by a sentence that says nothing of the
    task."""
    max_sessions: Annotated[int, Field(ge=1)] = 256
    """Sessions at once, at least 1; one more is refused."""
    session_timeout: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1800.0
    """Seconds, above 0, after which a session that does nothing is ended."""
    host: str = "127.0.0.1"
    """Address to listen on; 0.0.0.0 lets other machines in, without any check of who they are."""
    allow_host: tuple[str, ...] = ()
    """Names by which clients may address this machine, beside its address, its own name and
    localhost; a request to another is refused, as a web page may have sent it."""
    allow_origin: tuple[str, ...] = ()
    """Web pages that may drive the server, such as http://localhost:3000; others are refused."""
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
    app = make_app(
        spec,
        tasks,
        max_sessions=options.max_sessions,
        max_steps=options.max_steps,
        noise=options.noise,
        session_timeout=options.session_timeout,
        hosts=(options.host, *options.allow_host),
        origins=options.allow_origin,
    )
    listener = listen(options.host, options.port)
    host, port = listener.getsockname()[:2]
    host = f"[{host}]" if ":" in host else host
    said = (
        f"serving {spec.name} at http://{host}:{port} (sessions at ws://{host}:{port}/ws, "
        f"{options.max_sessions} at most); Ctrl-C ends it"
    )
    make_console().print(Text(shown(said)))
    try:
        make_server(app).run(sockets=[listener])
    except KeyboardInterrupt:  # uvicorn has shut down in order, and then passes it on
        pass
    finally:
        listener.close()
