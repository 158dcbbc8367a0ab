"""The documentation names only what is there."""

import importlib
import re
from importlib.util import find_spec
from pathlib import Path

import pytest

from proxmo.errors import InputError

ROOT = Path(__file__).parents[1]
NAME = re.compile(r"(?<![\w./+-])proxmo(?:\.[A-Za-z_]\w*)+")
"""A dotted name; `+proxmo.seed` is a setting of verl's."""
FILES = ("proxmo.py", "proxmo.json")


def _named() -> list[str]:
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    texts = [page.read_text(encoding="utf-8") for page in pages]
    return sorted({name for text in texts for name in NAME.findall(text)} - set(FILES))


def _is_module(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except (ModuleNotFoundError, InputError):  # what it would be in is no package, or not usable
        return False


def _is_there(name: str) -> bool:
    """Whether it is a module, or an attribute of one."""
    module, attributes = name, []
    while not _is_module(module):
        module, _, attribute = module.rpartition(".")
        attributes.insert(0, attribute)
    if not attributes:
        return True
    try:
        found = importlib.import_module(module)
    except InputError:
        pytest.skip(f"{module} needs a library that is not installed")
    for attribute in attributes:
        if not hasattr(found, attribute):
            return False
        found = getattr(found, attribute)
    return True


@pytest.mark.parametrize("name", _named())
def test_a_name_in_the_documentation_is_there(name: str):
    assert _is_there(name)


@pytest.mark.parametrize("name", ["proxmo.nowhere", "proxmo.credit.Nothing"])
def test_a_name_that_is_gone_would_be_noticed(name: str):
    assert not _is_there(name)
