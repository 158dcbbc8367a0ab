"""Imports point one way: the way the data flows, from tasks to reports."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "proxmo"

BASE = {"types", "errors", "text", "tokens"}
ACTING = BASE | {"config", "envs", "prompts", "policies", "episodes"}
MAY_IMPORT = {
    "types": set(),
    "errors": set(),
    "text": set(),
    "tokens": set(),
    "files": {"errors"},
    "config": BASE | {"credit", "envs"},
    "envs": BASE | {"files"},
    "prompts": BASE,
    "policies": BASE | {"config", "files", "prompts"},
    "episodes": BASE | {"envs", "prompts", "policies"},
    # Adopted without the rest: it knows the record of an episode and nothing else.
    "credit": BASE,
    # Evaluation is handed to the trainer by whoever starts it.
    "loss": {"errors"},
    "cold_start": ACTING | {"files", "proxmo"},
    "training": ACTING | {"loss", "cold_start", "credit", "files", "proxmo"},
    "evaluation": ACTING,
    # Other people's trainers in the place of ours: they never see it.
    "adapters": BASE | {"envs", "prompts", "policies", "episodes", "credit"},
    # Tables, figures and a page, of whatever they are given.
    "pages": {"files"},
    # Reads the files that runs leave; trains nothing itself.
    "comparison": ACTING | {"cold_start", "credit", "files", "training", "evaluation", "pages"},
    # Judges credit by playing on.
    "audit": ACTING | {"credit", "files", "evaluation", "comparison", "pages"},
    "progress": ACTING | {"cold_start", "training"},
    "commands": ACTING
    | {
        "adapters",
        "cold_start",
        "credit",
        "proxmo",
        "files",
        "training",
        "evaluation",
        "audit",
        "comparison",
        "progress",
    },
    # Commands are named as text and imported when they run.
    "cli": {"errors", "text", "proxmo"},
    "__main__": {"cli"},
    "proxmo": {"credit", "errors"},
}
"""Part of proxmo -> parts that it may import, besides itself; `proxmo` is its __init__."""

NEEDS = {
    "types": set(),
    "errors": set(),
    "text": set(),
    "tokens": set(),
    "files": set(),
    "cli": {"rich"},  # when it is there
    "prompts": set(),
    "credit": {"numpy", "scipy"},
    "envs": {"numpy", "gymnasium", "rapidfuzz", "regex", "spacy"},  # WebShop: its extras
    "loss": {"torch"},
    "episodes": {"numpy"},
    "proxmo": set(),
}
"""Part -> packages that it may import; a part that is not named may import any."""

COMPARED = {"envs/alfworld/reference.py": {"alfworld", "textworld", "yaml"}}
"""Files that drive somebody else's engine to compare with it -> packages of that engine."""


def part_of(path: Path) -> str:
    part = path.relative_to(SOURCE).parts[0].removesuffix(".py")
    return "proxmo" if part == "__init__" else part


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """(line, absolute name of a module) for each import, wherever in the file it stands."""
    package = ["proxmo", *path.relative_to(SOURCE).parts[:-1]]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*above, *filter(None, [node.module])])
            # `from proxmo import credit` imports the module proxmo.credit.
            names = [alias.name for alias in node.names if module == "proxmo"]
            yield from ((node.lineno, f"proxmo.{name}") for name in names)
            if not names:
                yield node.lineno, module


FILES = sorted(SOURCE.rglob("*.py"))


def test_every_part_has_a_place_in_the_order():
    assert {part_of(path) for path in FILES} == set(MAY_IMPORT)


def test_the_order_has_no_circle():
    def reached(part, path):
        assert part not in path, f"circle: {' -> '.join([*path, part])}"
        for other in MAY_IMPORT[part]:
            reached(other, [*path, part])

    for part in MAY_IMPORT:
        reached(part, [])


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_imports_point_the_way_the_data_flows(path):
    part = part_of(path)
    needed = NEEDS.get(part, set()) | COMPARED.get(path.relative_to(SOURCE).as_posix(), set())
    wrong = []
    for line, module in imports(path):
        package, _, rest = module.partition(".")
        if package == "proxmo":
            target = rest.partition(".")[0] or "proxmo"
            if target != part and target not in MAY_IMPORT[part]:
                wrong.append(f"line {line}: {part} must not import {module}")
        elif part in NEEDS and package not in needed | sys.stdlib_module_names:
            wrong.append(f"line {line}: {part} must not need the package {package}")
    assert wrong == []


def test_a_wrong_import_would_be_noticed(tmp_path, monkeypatch):
    monkeypatch.setattr(sys.modules[__name__], "SOURCE", tmp_path)
    path = tmp_path / "credit" / "bad.py"
    path.parent.mkdir()
    path.write_text(
        "from proxmo import training\nfrom ..episodes import play\nimport torch.nn as nn\n"
    )
    assert {module for _, module in imports(path)} == {
        "proxmo.training",
        "proxmo.episodes",
        "torch.nn",
    }
    with pytest.raises(AssertionError, match="credit must not import"):
        test_imports_point_the_way_the_data_flows(path)
