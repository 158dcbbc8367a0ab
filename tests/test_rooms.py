"""An environment is one closed package: nothing outside `envs/` names one."""

import re
from pathlib import Path

SOURCE = Path(__file__).parents[1] / "src" / "proxmo"
NAMES = re.compile("alfworld|webshop", re.IGNORECASE)


def _naming(path: Path) -> list[str]:
    """Where a file names an environment: in its own name, or in a line."""
    where = path.relative_to(SOURCE).as_posix()
    lines = path.read_text(encoding="utf-8").splitlines()
    found = [
        f"{where}:{n}: {line.strip()}" for n, line in enumerate(lines, 1) if NAMES.search(line)
    ]
    return [where, *found] if NAMES.search(where) else found


def test_nothing_outside_envs_names_an_environment():
    files = [
        path
        for path in sorted(SOURCE.rglob("*"))
        if path.is_file() and path.suffix != ".pyc" and path.relative_to(SOURCE).parts[0] != "envs"
    ]
    assert len(files) > 50
    assert [line for path in files for line in _naming(path)] == []
