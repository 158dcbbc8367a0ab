"""Errors a user can cause, kept apart from errors only a bug can cause."""

FAILED = 1
"""Exit code of what went wrong while running."""
BAD_INPUT = 2
"""Exit code of what could not be run as asked."""


class ProxmoError(Exception):
    """Something went wrong while running; the message says what and what to do next.

    The command line prints it without a traceback and exits with 1.
    """


class InputError(ProxmoError, ValueError):
    """Bad input: the message names the thing, the value and the way out.

    The command line prints it without a traceback and exits with 2.
    """


class ProxmoWarning(UserWarning):
    """What runs, but hardly as it was meant; the message says what it means and the way out."""


class Terminated(KeyboardInterrupt):
    """The process was told to end, by a signal other than Ctrl-C's; its number is `signal`.

    A kind of `KeyboardInterrupt`: what saves and ends in an orderly way at Ctrl-C does so here.
    The command line exits with 128 + the number, as a shell has it.
    """

    def __init__(self, signal: int, message: str = "") -> None:
        super().__init__(message)
        self.signal = signal
