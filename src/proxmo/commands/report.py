"""`proxmo report`: make the report of a comparison again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from pydantic import Field
from pydantic.dataclasses import dataclass
from tyro.conf import Positional

from proxmo.commands.console import make_console
from proxmo.commands.options import parse_options
from proxmo.comparison.plan import load_plan
from proxmo.comparison.report import write_report


@dataclass(frozen=True)
class ReportOptions:
    """Write the report of a comparison from the runs that are finished."""

    folder: Positional[Path]
    """Folder of the comparison."""
    updates: Annotated[int, Field(ge=1)] = 3
    """Updates of each variant to show in the credit view, at least 1."""
    tasks: Annotated[int, Field(ge=1)] = 4
    """Tasks of each update to show in the credit view, at least 1."""


def main(arguments: Sequence[str]) -> None:
    """Write page, figures and tables, and say where the page is."""
    options = parse_options(ReportOptions, arguments, prog="proxmo report")
    plan = load_plan(options.folder)
    page = write_report(plan, updates=options.updates, tasks=options.tasks)
    make_console().print(f"report: {page}")
