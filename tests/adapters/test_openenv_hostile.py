"""Servers that are no environments, dying ones, and such as never stop talking."""

import json
import socket
import threading
import time
from contextlib import closing, suppress

import pytest
from websockets.sync.server import serve

from proxmo.adapters.openenv import RemoteEnv, RemoteSpec, client
from proxmo.errors import ProxmoError


@pytest.fixture
def speaking():
    """Starts servers that answer every WebSocket message as they are told."""
    servers = []

    def start(answer):
        def handle(connection):
            for _ in connection:
                said = answer(connection)
                if said is not None:
                    connection.send(said)

        server = serve(handle, "127.0.0.1", 0)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.socket.getsockname()[1]}"

    yield start
    for server in servers:
        server.shutdown()


@pytest.fixture
def raw():
    """Starts servers that send these bytes to whoever connects, and go on so."""
    listeners = []

    def start(first, then=b"", pause=0.0):
        listener = socket.create_server(("127.0.0.1", 0))
        listeners.append(listener)

        def handle():
            with suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    with closing(connection), suppress(OSError):
                        connection.recv(65536)
                        connection.sendall(first)
                        while then:
                            connection.sendall(then)
                            time.sleep(pause)

        threading.Thread(target=handle, daemon=True).start()
        return f"http://127.0.0.1:{listener.getsockname()[1]}"

    yield start
    for listener in listeners:
        listener.close()


def observed(data, kind="observation"):
    return json.dumps({"type": kind, "data": data})


GOOD = {"text": "a room", "success": False}
ANSWERS = {
    "no JSON": "<html>502</html>",
    "deep JSON": "[" * 100_000,
    "a list": "[1]",
    "a number": "17",
    "null": "null",
    "nothing": "{}",
    "data that is none": observed(None),
    "a list as data": observed([1]),
    "a text as observation": observed({"observation": "a room"}),
    "no observation": observed({"observation": None}),
    "a number as text": observed({"observation": GOOD | {"text": 4}}),
    "no text": observed({"observation": {"success": True}}),
    "an error that is none": observed(None, "error"),
    "an error of 1 MB": observed({"message": "\x1b[2J" + "x" * 1_000_000}, "error"),
    "5 MB": observed({"observation": GOOD | {"text": "x" * (5 << 20)}}),
    "bytes": b"\xff\xfe",
}


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
def test_what_is_no_observation_is_a_sentence(speaking, answer):
    env = RemoteEnv(speaking(lambda _: answer), timeout=5.0)
    with pytest.raises(ProxmoError) as raised:
        env.reset()
    env.close()
    said = str(raised.value)
    assert said.isprintable()
    assert len(said) < 1000


@pytest.mark.parametrize("reward", ["ten", [], {}, float("nan"), float("inf")])
def test_a_reward_that_is_none_is_a_sentence(speaking, reward):
    url = speaking(lambda _: observed({"observation": GOOD, "reward": reward}))
    env = RemoteEnv(url, timeout=5.0)
    env.reset()
    with pytest.raises(ProxmoError, match="sends the reward"):
        env.step("look")
    env.close()


def test_a_server_that_says_nothing_and_one_that_hangs_up_are_no_answer(speaking):
    silent = RemoteEnv(speaking(lambda _: None), timeout=0.3)
    with pytest.raises(ProxmoError, match=r"no answer from the OpenEnv server .*TimeoutError"):
        silent.reset()
    silent.close()
    gone = RemoteEnv(speaking(lambda connection: connection.close()), timeout=5.0)
    with pytest.raises(ProxmoError, match="no answer from the OpenEnv server"):
        gone.reset()
    gone.close()


HTTP = b"HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"


def replying(body, status=b"200 OK"):
    return HTTP % (status, len(body), body)


@pytest.mark.parametrize(
    "first",
    [
        replying(b"<html>\x1b[2J</html>", b"502 Bad Gateway"),
        replying(b"x" * 100_000, b"500 Oops"),
        replying(b"<html>"),
        replying(b"[" * 100_000),
        replying(b"[]"),
        replying(b"[1, 2]"),
        replying(b"{}"),
        replying(b'["a b"]')[:-3],
        replying(b'["../x"]'),
        b"HTTP/1.1 200",
        b"\xff" * 100,
        b"",
    ],
)
def test_no_list_of_tasks_is_a_sentence(raw, first):
    with pytest.raises(ProxmoError) as raised:
        RemoteSpec("far", url=raw(first)).load_tasks("train")
    assert str(raised.value).isprintable()
    assert len(str(raised.value)) < 1000
    with pytest.raises(ProxmoError):
        RemoteEnv(raw(first), timeout=2.0).reset()


@pytest.mark.parametrize("task", [{"id": 4, "index": 0}, {"id": "a"}, {"id": "a", "index": "0"}, 7])
def test_a_task_that_is_none_is_shown(raw, monkeypatch, task):
    answers = [["kitchen"], {"tasks": [task]}]
    monkeypatch.setattr(RemoteSpec, "_http", lambda *_: answers.pop(0))
    with pytest.raises(ProxmoError, match="answers /kitchen/task_range with"):
        RemoteSpec("far").load_tasks("train")


def test_a_list_of_tasks_without_end_is_left(raw, monkeypatch):
    head = b"HTTP/1.1 200 OK\r\n\r\n["
    endless = RemoteSpec("far", url=raw(head, b" " * 65536))
    with pytest.raises(ProxmoError, match="goes on after"):
        endless.load_tasks("train")
    monkeypatch.setattr(client, "_PATIENCE", 0.3)
    dripping = RemoteSpec("far", url=raw(head, b" ", pause=0.02))
    with pytest.raises(ProxmoError, match="goes on after"):
        dripping.load_tasks("train")


def test_an_address_that_is_none_is_a_sentence():
    for url in ("nowhere", "http://[", "http://127.0.0.1:99999"):
        with pytest.raises(ProxmoError):
            RemoteSpec("far", url=url).load_tasks("train")
