"""The page that maps equations to functions and tests names nothing that does not exist."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in (ROOT / "docs" / "equations.md").read_text(encoding="utf-8").splitlines()
    if line.startswith("|") and "::" in line
]


def definitions(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, (ast.FunctionDef, ast.ClassDef))}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0][:40])
def test_every_function_and_test_on_the_page_exists(row):
    assert len(row) == 3
    for cell, folder in zip(row[1:], ("src/proxmo", "tests"), strict=True):
        match = re.fullmatch(r"`(?:([\w/]+)/)?(\w+\.py)::(\w+)`", cell)
        assert match, f"{cell} is not `file.py::name` or `part/file.py::name`"
        assert match[3] in definitions(ROOT / folder / (match[1] or "credit") / match[2])


def test_every_method_is_on_the_page():
    from proxmo import CREDIT

    on_page = {re.sub(r".*::|`", "", row[1]) for row in ROWS}
    assert {method.__name__ for method in CREDIT.values()} <= on_page
