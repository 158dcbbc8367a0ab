"""Being told to end: Ctrl-C, SIGTERM (preemption) and SIGHUP (a closed terminal) are one thing."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from proxmo.errors import Terminated

_SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)


@contextmanager
def stoppable() -> Iterator[None]:
    """In the block, SIGTERM and SIGHUP raise `Terminated` as Ctrl-C raises `KeyboardInterrupt`."""
    with _handled_by(_raise, _SIGNALS[1:]):
        yield


@contextmanager
def held_back() -> Iterator[None]:
    """Hold a signal back until the block ends; a second one ends it at once.

    A block that fails meanwhile, as it does where another process of the run has gone already,
    counts as ended by the signal.
    """
    noted: list[int] = []

    def note(number: int, frame: object) -> None:
        if noted:
            _raise(number, frame)
        noted.append(number)

    with _handled_by(note, _SIGNALS):
        try:
            yield
        except Exception:
            if not noted:
                raise
    if noted:
        _raise(noted[0], None)


def _raise(number: int, frame: object) -> None:
    raise KeyboardInterrupt if number == signal.SIGINT else Terminated(number)


@contextmanager
def _handled_by(handler: Callable[[int, object], None], numbers: tuple[int, ...]) -> Iterator[None]:
    """Give signals to `handler`, but those that this process was started to ignore (`nohup`)."""
    if threading.current_thread() is not threading.main_thread():
        yield  # signals reach the main thread only
        return
    heard = [number for number in numbers if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, handler) for number in heard}
    try:
        yield
    finally:
        for number, former in before.items():
            signal.signal(number, former)
