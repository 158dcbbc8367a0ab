"""Who may drive a served environment, how much it takes, and for how long it waits."""

import json
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from contextlib import closing
from pathlib import Path

import pytest
from served import Served
from toy_env import TOY
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Origin

from proxmo.adapters.openenv import RemoteEnv, gate, listening
from proxmo.errors import ProxmoError

CREATE = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "openenv/session/create"})


@pytest.fixture(scope="module")
def served():
    with Served(TOY, 4, hosts=["kitchen.example"], origins=["http://localhost:3000"]) as server:
        yield server


def request(served, path="/mcp", body: str | None = CREATE, **headers):
    """Status, body and headers of the answer."""
    given = {"Content-Type": "application/json"} | {
        name.replace("_", "-"): value for name, value in headers.items()
    }
    asked = urllib.request.Request(
        served.url + path, None if body is None else body.encode(), given
    )
    try:
        with urllib.request.urlopen(asked, timeout=20) as answer:
            return answer.status, json.load(answer), answer.headers
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read() or b"{}"), error.headers


def raw(served, *lines, body=b""):
    """A connection that has sent these lines of a header."""
    connection = socket.create_connection(("127.0.0.1", served.port), timeout=20)
    connection.sendall("\r\n".join(lines).encode() + body)
    return connection


def answer_of(connection):
    with closing(connection):
        said = b""
        while piece := connection.recv(65536):
            said += piece
    return said.decode()


@pytest.mark.parametrize(
    ("headers", "status", "says"),
    [
        ({"Origin": "https://evil.example"}, 403, "a page of 'https://evil.example'"),
        ({"Origin": "null"}, 403, "--allow-origin"),
        ({"Origin": "http://localhost:3001"}, 403, "--allow-origin"),
        ({"Host": "evil.example"}, 403, "the host is 'evil.example'"),
        ({"Host": "evil.example:8000", "Origin": "http://evil.example:8000"}, 403, "--allow-host"),
        ({"Host": "127.0.0.1.evil.example"}, 403, "--allow-host"),
        ({"Host": ""}, 403, "--allow-host"),
        ({"Host": "[::1"}, 403, "--allow-host"),
        ({"Content-Type": "text/plain"}, 415, "send application/json"),
        ({"Content-Type": "application/x-www-form-urlencoded"}, 415, "send application/json"),
        ({"Content-Type": "multipart/form-data; boundary=x"}, 415, "send application/json"),
    ],
)
def test_what_a_strange_page_can_send_is_refused(served, headers, status, says):
    code, body, _ = request(served, **headers)
    assert code == status
    assert says in body["detail"]


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Host": "localhost:1234"},
        {"Host": "[::1]:8000"},
        {"Host": "192.168.0.7:8000"},
        {"Host": "Kitchen.Example"},
        {"Host": socket.gethostname()},
        {"Host": "localhost:80", "Origin": "http://localhost:80"},
        {"Origin": "http://localhost:3000"},
        {"Content-Type": "application/json; charset=utf-8"},
    ],
)
def test_what_is_no_strange_page_is_let_in(served, headers):
    method = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/list"})
    code, body, answered = request(served, body=method, **headers)
    assert (code, "does not support MCP" in str(body)) == (200, True)
    page = headers.get("Origin") == "http://localhost:3000"
    assert (answered["Access-Control-Allow-Origin"] == headers.get("Origin")) == (
        page or "Origin" not in headers
    )


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://localhost:3001"])
def test_a_strange_page_opens_no_session(served, origin):
    address = f"ws://127.0.0.1:{served.port}/ws"
    with pytest.raises(InvalidStatus, match="403"):
        connect(address, origin=origin, proxy=None)
    with connect(address, origin=Origin("http://localhost:3000"), proxy=None) as own:
        own.send(json.dumps({"type": "state"}))
        assert json.loads(own.recv())["type"] == "state"


def test_a_body_that_is_too_long_is_not_read(served):
    header = ("POST /mcp HTTP/1.1", "Host: localhost", "Content-Type: application/json")
    said = answer_of(raw(served, *header, f"Content-Length: {10**9}", "", ""))
    assert said.startswith("HTTP/1.1 413 ")
    connection = raw(served, *header, "Transfer-Encoding: chunked", "", "")
    piece = b"10000\r\n" + b" " * 65536 + b"\r\n"
    for _ in range(16):
        connection.sendall(piece)
    connection.sendall(b"1\r\n \r\n")
    assert answer_of(connection).startswith("HTTP/1.1 413 ")
    with connect(f"ws://127.0.0.1:{served.port}/ws", proxy=None) as session:
        session.send(" " * (gate.MESSAGE_BYTES + 1))
        with pytest.raises(ConnectionClosed, match="1009"):
            session.recv()


@pytest.mark.parametrize(
    "sent",
    [
        (),
        ("POST /mcp HTTP/1.1", "Host: loc"),
        ("GET /health HTTP/1.1", "Host: localhost", "", "GET /health HTTP/1.1", "Hos"),
        (
            *("POST /mcp HTTP/1.1", "Host: localhost", "Content-Type: application/json"),
            *("Content-Length: 9", "", "{"),
        ),
    ],
    ids=["silence", "half a header", "half a second header", "half a body"],
)
def test_a_client_that_does_not_go_on_is_left(served, monkeypatch, sent):
    monkeypatch.setattr(gate, "REQUEST_SECONDS", 0.3)
    monkeypatch.setattr(listening, "REQUEST_SECONDS", 0.3)
    began = time.monotonic()
    try:
        said = answer_of(raw(served, *sent))
    except ConnectionResetError:
        said = ""
    assert 0.2 < time.monotonic() - began < 4
    if "Content-Length: 9" in sent:
        assert said.startswith("HTTP/1.1 408 ")


def test_sessions_that_do_nothing_end_and_free_their_place():
    with Served(TOY, 1, session_timeout=0.4) as server:
        # Over HTTP: its client never comes back.
        assert "session_id" in str(request(server))
        late = RemoteEnv(server.url)
        with pytest.raises(ProxmoError, match="at capacity: 1/1"):
            late.reset(options={"index": 0})
        wait_for(late)
        # Over a WebSocket: its client stays, and says nothing.
        other = RemoteEnv(server.url)
        wait_for(other)
        with pytest.raises(ProxmoError):
            late.step("red")
        other.close()
        late.close()


def wait_for(env):
    for _ in range(200):
        try:
            return env.reset(options={"index": 0})
        except ProxmoError:
            time.sleep(0.05)
    raise AssertionError("no place became free")


def test_what_is_asked_for_and_cannot_be_had_over_http_is_a_sentence(served):
    code, body, _ = request(served, "/reset", json.dumps({"split": "test"}))
    assert (code, body) == (400, {"detail": "split is 'test'; served are train, valid"})


def test_refusals_and_broken_connections_are_a_line_each():
    server = subprocess.Popen(
        [
            *(sys.executable, "-m", "proxmo", "serve", "toy_env:TOY", "--port", "0"),
            *("--max-sessions", "2"),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parent,
    )
    try:
        assert server.stdout is not None
        url = server.stdout.readline().split(" at ")[1].split(" ")[0]
        port = int(url.rpartition(":")[2])
        upgrade = (
            *("GET /ws HTTP/1.1", "Host: localhost", "Connection: Upgrade", "Upgrade: websocket"),
            *("Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "", ""),
        )
        address = type("At", (), {"port": port})
        for _ in range(5):  # more than there are places for, each gone at once
            raw(address, *upgrade).close()
            raw(address, "GET /health HTTP/1.1", "Host: evil\x1b[2J.example", "", "").close()
            raw(address, *upgrade[:2], "Origin: http://evil.example", *upgrade[2:]).close()
            raw(address, "nonsense", "", "").close()
            raw(address, *upgrade, body=b"\x81\x05hello").close()
            raw(address, *upgrade, body=b"\xff" * 50).close()
        for message in ("[1]", "17", "[" * 100_000, json.dumps({"type": "step", "data": None})):
            with connect(f"ws://127.0.0.1:{port}/ws", proxy=None) as session:
                session.send(message)
                assert "error" in str(session.recv())
        env = RemoteEnv(url)
        wait_for(env)
        env.close()
    finally:
        server.terminate()
        _, said = server.communicate(timeout=30)
    assert "Traceback" not in said
    assert "\x1b" not in said
    lines = said.splitlines()
    assert sum("--allow-host" in line for line in lines) == 5
    assert sum("--allow-origin" in line for line in lines) == 5
    assert len(lines) <= 40


def test_many_at_once_with_a_strange_page_among_them_are_served(served):
    def play():
        env = RemoteEnv(served.url)
        try:
            env.reset(options={"index": 1}, seed=1)
            for _ in range(5):
                request(served, Origin="https://evil.example")
        finally:
            env.close()

    threads = [threading.Thread(target=play) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
