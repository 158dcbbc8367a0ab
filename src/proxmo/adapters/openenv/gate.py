"""What stands before a served application: who may ask, how much, and for how long.

A web page that the user happens to look at can send requests to this machine. A browser says of
each from which page it comes (Origin), and by which name the page addressed the server (Host);
what is no browser says no origin, and is let in.
"""

from __future__ import annotations

import asyncio
import ipaddress
import json
import logging
import socket
from collections.abc import Awaitable, Callable, Collection, MutableMapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from proxmo.text import shown

_LOG = logging.getLogger(__name__)

MESSAGE_BYTES = 1 << 20
"""Longest message of a client, over HTTP and over a WebSocket."""
REQUEST_SECONDS = 30.0
"""What a client has to send a request whole."""

Scope = MutableMapping[str, Any]
Event = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Event]]
Send = Callable[[Event], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]


class RefusedError(Exception):
    """A request that is not let in: an HTTP status, and why."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


@dataclass(frozen=True, slots=True)
class Gate:
    """An ASGI application that lets requests through to another, and what goes wrong not out of it.

    Refusals, and connections that break off, are a line of the log each.
    """

    app: Application
    hosts: Collection[str] = ()
    """Further names of the server; addresses, "localhost" and the machine's own name are known."""
    origins: Collection[str] = ()
    """Web pages that may ask, such as "http://localhost:3000"; those of the server itself may."""
    session_timeout: float = 1800.0
    """Seconds without a message after which a WebSocket is closed."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or hold one connection."""
        try:
            if scope["type"] == "http":
                self._check_visitor(_headers(scope))
                receive = await _read(scope, receive)
            elif scope["type"] == "websocket":
                self._check_visitor(_headers(scope))
                receive = self._patient(scope, receive)
        except RefusedError as error:
            _say(scope, f"refused: {error}")
            await _refuse(scope, receive, send, error)
            return
        try:
            await self.app(scope, receive, send)
        except Exception as error:  # one connection's trouble is not the server's
            _say(scope, f"broke off: {type(error).__name__}: {error}")
            _LOG.debug("the whole of it", exc_info=True)

    def _check_visitor(self, headers: dict[str, str]) -> None:
        """Refuse a request to a name that is not the server's, and one from a strange page.

        A page whose own name was made to lead here (DNS rebinding) addresses the server by that
        name; with an address nobody can do so.
        """
        host, origin = headers.get("host", ""), headers.get("origin")
        name = _name(host)
        known = {"localhost", socket.gethostname().lower(), *map(str.lower, self.hosts)}
        if not (name in known or _is_address(name)):
            raise RefusedError(403, f"the host is {host!r}; let a name in with --allow-host")
        if origin is None or origin in self.origins:
            return
        if origin not in (f"http://{host}", f"https://{host}"):
            raise RefusedError(
                403, f"it comes from a page of {origin!r}; let one in with --allow-origin"
            )

    def _patient(self, scope: Scope, receive: Receive) -> Receive:
        """`receive`, for which a client that is silent for too long has gone."""

        async def next_message() -> Event:
            try:
                return await asyncio.wait_for(receive(), self.session_timeout)
            except TimeoutError:
                _say(scope, f"closed: nothing came for {self.session_timeout:g} s")
                return {"type": "websocket.disconnect", "code": 1000}

        return next_message


async def _read(scope: Scope, receive: Receive) -> Receive:
    """The request's body, bounded in length and time, as a `receive` that hands it out."""
    headers = _headers(scope)
    too_long = RefusedError(413, f"its body is longer than {MESSAGE_BYTES} bytes")
    length = headers.get("content-length", "0")
    if not length.isdecimal() or int(length[:12]) > MESSAGE_BYTES:
        raise too_long
    body = bytearray()
    try:
        async with asyncio.timeout(REQUEST_SECONDS):
            more = True
            while more:
                message = await receive()
                body += message.get("body", b"")
                more = message.get("more_body", False)
                if len(body) > MESSAGE_BYTES:
                    raise too_long
    except TimeoutError:
        raise RefusedError(408, f"it did not come whole in {REQUEST_SECONDS:g} s") from None
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if body and kind != "application/json":
        # What a page may send to a stranger without asking first is never JSON by name.
        raise RefusedError(415, f"its content is {kind!r}; send application/json")
    whole: list[Event] = [{"type": "http.request", "body": bytes(body), "more_body": False}]

    async def once() -> Event:
        return whole.pop() if whole else await receive()

    return once


async def _refuse(scope: Scope, receive: Receive, send: Send, error: RefusedError) -> None:
    if scope["type"] == "websocket":
        await receive()  # the wish to connect
        await send({"type": "websocket.close", "code": 1008, "reason": str(error)[:100]})
        return
    body = json.dumps({"detail": str(error)}).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),  # what is left of the request is not read
    ]
    await send({"type": "http.response.start", "status": error.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _say(scope: Scope, what: str) -> None:
    client = scope.get("client") or ("somebody",)
    _LOG.warning("%s", shown(f"{client[0]} {scope['path'][:100]}: {what[:500]}"))


def _headers(scope: Scope) -> dict[str, str]:
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}


def _name(host: str) -> str:
    """The name or address in a Host header, without its port."""
    try:
        return (urlsplit(f"//{host}").hostname or "").lower()
    except ValueError:
        return ""


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
