"""A real HTTP server that speaks the chat-completions protocol, or fails to, as it is told."""

import json
import sys
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import MappingProxyType
from typing import Any, NamedTuple


class Request(NamedTuple):
    path: str
    headers: dict[str, str]
    payload: dict[str, Any]


class Reply(NamedTuple):
    status: int
    body: str
    headers: Mapping[str, str] = MappingProxyType({})


class DropError(Exception):
    """The connection breaks before an answer."""


class BreakError(Exception):
    """The connection breaks in the middle of an answer."""


class EndlessError(Exception):
    """The answer goes on as long as somebody reads it."""


class DripError(Exception):
    """The answer comes by a byte every twentieth of a second, and has no end."""


class StallError(Exception):
    """No answer comes as long as the server runs."""


def said(text, *, prompt=10, completion=3, finish="stop"):
    """An answer as OpenAI writes it."""
    return Reply(
        200,
        json.dumps(
            {
                "id": "chatcmpl-1",
                "object": "chat.completion",
                "choices": [
                    {
                        "index": 0,
                        "message": {"role": "assistant", "content": text},
                        "finish_reason": finish,
                    }
                ],
                "usage": {
                    "prompt_tokens": prompt,
                    "completion_tokens": completion,
                },
            }
        ),
    )


def refused(status, message, code=None, **headers):
    """An error as OpenAI writes it."""
    error = {"message": message, "type": "invalid_request_error", "code": code}
    return Reply(status, json.dumps({"error": error}), headers)


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        if not isinstance(sys.exception(), ConnectionError):  # a client that went away is none
            super().handle_error(request, client_address)


class ChatServer:
    """Answers each request with `answer(request)`: a Reply, a text, or one of the failures."""

    def __init__(self, answer: Callable[[Request], Reply | str]) -> None:
        self.requests: list[Request] = []
        self.closing = threading.Event()
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                request = Request(self.path, dict(self.headers), json.loads(body))
                server.requests.append(request)
                try:
                    reply = answer(request)
                except DropError:
                    self.close_connection = True
                    return
                except BreakError:
                    self.close_connection = True
                    self.send_response(200)
                    self.send_header("Content-Length", "1000")
                    self.end_headers()
                    self.wfile.write(b'{"choices": [')
                    return
                except EndlessError:
                    self.close_connection = True
                    self.send_response(200)
                    self.end_headers()
                    while not server.closing.is_set():
                        self.wfile.write(b" " * 65536)
                    return
                except DripError:
                    self.close_connection = True
                    self.send_response(200)
                    self.end_headers()
                    while not server.closing.wait(0.05):
                        self.wfile.write(b" ")
                    return
                except StallError:
                    server.closing.wait()
                    self.close_connection = True
                    return
                status, text, headers = said(reply) if isinstance(reply, str) else reply
                data = text.encode()
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name.replace("_", "-"), value)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, format, *args):
                pass

        self._http = _Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._http.server_port}/v1"
        threading.Thread(target=self._http.serve_forever, args=[0.05], daemon=True).start()

    def close(self) -> None:
        self.closing.set()
        self._http.shutdown()
        self._http.server_close()
