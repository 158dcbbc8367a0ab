"""How the calls to one environment are made: here and now, or in a thread of its own.

Either way they are made in the order asked for, and each is answered before the next is asked.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NoAnswerYet
from queue import SimpleQueue
from threading import Thread
from typing import Any, Protocol

Call = Callable[[], Any]


class Calls(Protocol):
    """Makes the calls to one environment."""

    def ask(self, call: Call) -> None:
        """Begin a call."""
        ...

    def answer(self) -> Any:
        """What it returns; what it raises is raised here."""
        ...

    def end(self, last: Call) -> None:
        """Begin the last call, whose answer is of no interest."""
        ...

    def wait(self) -> None:
        """Until the last call is over, or was given up."""
        ...


class CallsHere:
    """Makes a call when its answer is wanted, in the thread that wants it."""

    def __init__(self) -> None:
        self._call: Call | None = None

    def ask(self, call: Call) -> None:
        """Begin a call."""
        self._call = call

    def answer(self) -> Any:
        """What it returns; what it raises is raised here."""
        call, self._call = self._call, None
        assert call is not None, "an answer without a call"
        return call()

    def end(self, last: Call) -> None:
        """Make the last call."""
        last()

    def wait(self) -> None:
        """It is over."""


class CallsAside:
    """Makes calls in a thread of its own: calls to several environments wait together.

    All calls to an environment come from the same thread, which some clients need. With a
    `limit` in seconds, a call that takes longer is given up: its answer is a `TimeoutError`,
    further calls are not made, and what hangs holds nobody up, not even the end of the process.
    """

    def __init__(self, limit: float | None = None) -> None:
        self._limit = limit
        self._calls: SimpleQueue[tuple[Call, Future[Any]] | None] = SimpleQueue()
        self._answer: Future[Any] = Future()
        self._asked = 0.0
        self._given_up = False
        Thread(target=self._work, name="proxmo-environment", daemon=True).start()

    def ask(self, call: Call) -> None:
        """Begin a call."""
        self._answer, self._asked = Future(), time.monotonic()
        self._calls.put((call, self._answer))

    def answer(self) -> Any:
        """What it returns; what it raises is raised here, `TimeoutError` past the limit."""
        return self._within_limit(self._answer)

    def end(self, last: Call) -> None:
        """Begin the last call; the thread ends with it, when it gets there."""
        self.ask(last)
        self._calls.put(None)

    def wait(self) -> None:
        """Until the last call is over, or was given up."""
        if not self._given_up:
            self._within_limit(self._answer)

    def _within_limit(self, answer: Future[Any]) -> Any:
        left = None
        if self._limit is not None:
            left = max(0.0, self._asked + self._limit - time.monotonic())
        try:
            return answer.result(left)
        except NoAnswerYet:
            if answer.done():  # it is what the environment raised
                raise
            self._given_up = True
            raise TimeoutError(f"no answer within {self._limit:g} s, the limit of a call") from None

    def _work(self) -> None:
        while (asked := self._calls.get()) is not None:
            call, answer = asked
            try:
                answer.set_result(call())
            except BaseException as error:  # raised again where the answer is wanted
                answer.set_exception(error)
            del call, answer, asked  # an episode is not kept alive by the last call to it
