"""Where commands print what a person reads."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from proxmo.text import shown

_WIDTH = 120
"""Columns of a file or a pipe, which have no width of their own: as many as the tables need."""


class LiteralConsole(Console):
    """A console that prints text as it is: nothing in a path, a name or an error is markup, moves
    the cursor or turns the direction of writing."""

    def render_str(self, text: str, **options: Any) -> Text:
        """As rich does, harmless before it is measured."""
        return super().render_str(shown(text), **options)

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """As rich renders it, each piece of text made harmless; styles are rich's own."""
        for segment in super().render(renderable, options):
            text, style, control = segment
            yield segment if control else Segment(shown(text), style, control)


def make_console(*, quiet: bool = False) -> Console:
    """A console on stdout that leaves lines whole, so that paths in them can be copied."""
    console = LiteralConsole(highlight=False, markup=False, soft_wrap=True, quiet=quiet)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = _WIDTH
    return console
