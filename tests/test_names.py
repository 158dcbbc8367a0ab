"""A public name means one thing: it is defined in one place."""

import ast
from collections import defaultdict
from pathlib import Path

SOURCE = Path(__file__).parents[1] / "src" / "proxmo"

MANY = {
    "main",  # of each command
    "load_tasks",  # of each environment, named by its spec, as are
    "data_fingerprint",
    "SPEC",
    "T",  # a type that a signature leaves open
}
"""Names that each of several places has to have, so that others find them there."""


def definitions():
    """Public name -> files that define it at their top: classes, functions, constants, types."""
    found = defaultdict(set)
    for path in sorted(SOURCE.rglob("*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                names = [node.name]
            elif isinstance(node, ast.Assign):
                names = [target.id for target in node.targets if isinstance(target, ast.Name)]
            elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                names = [node.target.id]
            else:
                continue
            for name in names:
                if not name.startswith("_"):
                    found[name].add(path.relative_to(SOURCE).as_posix())
    return found


def test_public_names_are_unique():
    twice = {
        name: sorted(files)
        for name, files in definitions().items()
        if len(files) > 1 and name not in MANY
    }
    assert twice == {}
