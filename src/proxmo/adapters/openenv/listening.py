"""Listening: the HTTP server in which a served application runs."""

from __future__ import annotations

import asyncio
import errno
import socket
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from proxmo.adapters.openenv.gate import MESSAGE_BYTES, REQUEST_SECONDS, Application
from proxmo.errors import InputError


class _ImpatientProtocol(H11Protocol):
    """uvicorn's, which closes a connection on which no request comes whole in time.

    uvicorn waits for ever for the first request, and for the rest of one that has begun.
    """

    _patience: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._wait()

    def handle_events(self) -> None:
        super().handle_events()
        if self._is_answering():
            self._stop_waiting()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._wait()

    def handle_websocket_upgrade(self, event: Any) -> None:
        self._stop_waiting()
        super().handle_websocket_upgrade(event)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _wait(self) -> None:
        self._stop_waiting()
        if not self._is_answering():
            self._patience = self.loop.call_later(REQUEST_SECONDS, self.transport.abort)

    def _stop_waiting(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None


def make_server(app: Application) -> uvicorn.Server:
    """A server of the application; `run(sockets=[listen(...)])` starts it."""
    return uvicorn.Server(
        uvicorn.Config(
            app,
            log_level="warning",
            http=_ImpatientProtocol,
            ws="websockets-sansio",
            ws_max_size=MESSAGE_BYTES,
        )
    )


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens there.

    Raises:
        InputError: for an address that is none of this machine's, or a port in use.
    """
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
