"""Tables as Markdown, as CSV, and as they are read in a page."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass

NO_INTERVAL = "–"
_NEGATIVE = re.compile(r"(?<![^\s(])-(?=\d)")


@dataclass(frozen=True, slots=True)
class Table:
    """A table with a name for its files."""

    name: str
    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""

    def markdown(self) -> str:
        """The table for a document."""
        lines = [self.columns, ("---",) + ("---:",) * (len(self.columns) - 1), *self.rows]
        text = "\n".join("| " + " | ".join(_cell(c) for c in line) + " |" for line in lines)
        return f"{text}\n\n{self.note}\n" if self.note else f"{text}\n"

    def csv(self) -> str:
        """The table for a spreadsheet."""
        stream = io.StringIO()
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(self.columns)
        writer.writerows(self.rows)
        return stream.getvalue()


def typeset(text: str) -> str:
    """A cell as it is read: negative numbers with a minus sign, not a hyphen."""
    return _NEGATIVE.sub("−", text)


def _cell(text: str) -> str:
    return typeset(text).replace("|", "\\|")
