"""One page that needs nothing else: text, tables, figures, and a script that shows data in it."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Sequence
from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template

from proxmo.files import write_text
from proxmo.pages.figure import NARROW, WIDE, Figure
from proxmo.pages.table import Table, typeset

PAGE = "report.html"


def whole_page(title: str, summary: str, sections: Sequence[tuple[str, str]], script: str) -> str:
    """The page. `summary` and the bodies of the `sections` (name, body) are HTML; `script` may use
    what `tools.js` defines."""
    own = files("proxmo.pages")
    tools = (own / "tools.js").read_text(encoding="utf-8")
    anchors = [name.replace(" ", "-") for name, _ in sections]
    return Template((own / "page.html").read_text(encoding="utf-8")).substitute(
        title=escape(title),
        style=(own / "page.css").read_text(encoding="utf-8"),
        script=tools + script,
        summary=summary,
        navigation="".join(
            f'<a href="#{escape(anchor)}">{escape(name)}</a>'
            for anchor, (name, _) in zip(anchors, sections, strict=True)
        ),
        sections="\n".join(
            f'<section id="{escape(anchor)}"><h2>{escape(name.capitalize())}</h2>{body}</section>'
            for anchor, (name, body) in zip(anchors, sections, strict=True)
        ),
    )


def write_tables(folder: Path, tables: Sequence[Table]) -> None:
    """Write them to `tables/`, as Markdown and as CSV."""
    for table in tables:
        write_text(folder / "tables" / f"{table.name}.md", table.markdown())
        write_text(folder / "tables" / f"{table.name}.csv", table.csv())


def figure_element(figure: Figure) -> str:
    """A figure as HTML, drawn for wide windows and for narrow ones."""
    broad = ' class="broad"' if figure.broad else ""
    return (
        f"<figure{broad}><h3>{escape(figure.title)}</h3>"
        f'<div class="wide">{figure.inline(WIDE)}</div>'
        f'<div class="narrow">{figure.inline(NARROW)}</div>'
        f"<figcaption>{escape(figure.caption)}</figcaption></figure>"
    )


def table_element(table: Table) -> str:
    """A table as HTML, with its title and note."""
    head = "".join(f"<th>{escape(column)}</th>" for column in table.columns)
    rows = "".join(
        "<tr>" + "".join(f"<td{_tone(cell)}>{escape(typeset(cell))}</td>" for cell in row) + "</tr>"
        for row in table.rows
    )
    return (
        f'<h3>{escape(table.title)}</h3><div class="scroll"><table><thead><tr>{head}</tr></thead>'
        f'<tbody>{rows}</tbody></table></div><p class="note">{escape(table.note)}</p>'
    )


def _tone(cell: str) -> str:
    return f' class="{cell}"' if cell in ("better", "worse") else ""


def data_element(name: str, data: object) -> str:
    """Data for a page's script, as JSON in an element of that id, which nothing in it can close."""
    text = json.dumps(data).replace("<", "\\u003c").replace("\u2028", "\\u2028")
    return f'<script type="application/json" id="{escape(name)}">{text}</script>'


def packed_element(name: str, data: object) -> str:
    """The same for much data: compressed, in letters that mean nothing to HTML."""
    text = json.dumps(data, separators=(",", ":")).encode()
    packed = base64.b64encode(gzip.compress(text, mtime=0)).decode("ascii")
    return f'<script type="text/plain" id="{escape(name)}">{packed}</script>'
