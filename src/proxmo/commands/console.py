"""Where commands print what a person reads."""

from __future__ import annotations

import os

from rich.console import Console

_WIDTH = 120
"""Columns of a file or a pipe, which have no width of their own: as many as the tables need."""


def make_console(*, quiet: bool = False) -> Console:
    """A console on stdout that leaves lines whole, so that paths in them can be copied."""
    console = Console(highlight=False, soft_wrap=True, quiet=quiet)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = _WIDTH
    return console
