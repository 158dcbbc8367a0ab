"""Servers for tests, closed after them."""

import pytest
from chat_server import ChatServer


@pytest.fixture
def serve(monkeypatch):
    """Starts a server that answers as it is told."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    started = []

    def start(answer):
        started.append(ChatServer(answer))
        return started[-1]

    yield start
    for server in started:
        server.close()
