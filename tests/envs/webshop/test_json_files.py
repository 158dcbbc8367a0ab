"""JSON files read member by member: what is wrong with them, and what they may cost."""

import gzip
import json
import os
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from shop import GOAL, PRODUCTS, Files

from proxmo.envs.webshop.catalog import json_files
from proxmo.envs.webshop.catalog.json_files import members, members_of
from proxmo.envs.webshop.generator.generator import generate
from proxmo.errors import InputError


def test_files_longer_than_what_is_read_at_a_time(files: Files, monkeypatch: pytest.MonkeyPatch):
    path = files.write("items.json", json.dumps(PRODUCTS, indent=30) + "\n" * 20)
    monkeypatch.setattr(json_files, "_CHUNK", 7)
    assert list(members(path, "[")) == PRODUCTS


def test_a_mistake_is_told_before_the_rest_of_a_long_file_is_read(
    files: Files, monkeypatch: pytest.MonkeyPatch
):
    first, *rest = (json.dumps(each) for each in PRODUCTS * 50)
    path = files.write("items.json", "[" + ", ".join([first.replace(":", "", 1), *rest]) + "]")
    monkeypatch.setattr(json_files, "_CHUNK", 100)
    read: list[bool] = []
    more = json_files._Reader._more
    monkeypatch.setattr(
        json_files._Reader, "_more", lambda self: (read.append(True), more(self))[1]
    )
    with pytest.raises(InputError, match="is not JSON"):
        list(members(path, "["))
    assert len(read) <= 2


def test_members_of_an_object_are_read_in_any_order_and_others_are_passed_over(files: Files):
    path = files.write(
        "goals.json", {"a": 3, "goals": [1, {}], "b": {"c": []}, "prices": {"x": 2}, "d": []}
    )
    found = list(members_of(path, {"prices": "{", "goals": "["}))
    assert found == [("goals", 1), ("goals", {}), ("prices", ("x", 2))]
    for empty in ('{"goals": [], "prices": {}}', ' { "goals" : [ ] } '):
        assert list(members_of(files.write("empty.json", empty), {"goals": "["})) == []
    with pytest.raises(InputError, match=r"goals\.json has no 'told'"):
        list(members_of(path, {"prices": "{", "goals": "[", "told": "{"}))


WHOLE = json.dumps(PRODUCTS)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "cut short"),
        ("[", "cut short"),
        (WHOLE[:500], "cut short"),
        (WHOLE[:-1], "cut short"),
        (WHOLE + "x", "'x' after its end"),
        (WHOLE + WHOLE, r"'\[' after its end"),
        (WHOLE.replace('}, {"asin', '} {"asin'), "where ',' belongs"),
        (WHOLE[:-1] + ",]", "is not JSON or is cut short: Expecting value"),
        ("{}", "does not hold an array"),
        ("nonsense", "does not hold an array"),
        ("[" * 100_000, "cut short"),
        ("[" + "1" * 5000 + "]", "is not JSON"),
    ],
)
def test_a_file_that_is_not_json_or_another_is_named(files: Files, content: str, message: str):
    path = files.write("items.json", content)
    with pytest.raises(InputError, match=rf"items\.json.*{message}"):
        list(members(path, "["))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[]", "does not hold an object"),
        ("{1: 2}", "a key is no text but a int"),
        ("{[]: 2}", "a key is no text but a list"),
        ('{"a": 1, }', "is not JSON or is cut short: Expecting value"),
        ('{"a" 1}', "where ':' belongs"),
        ('{"a": {}', "cut short"),
    ],
)
def test_an_object_that_is_none_is_named(files: Files, content: str, message: str):
    path = files.write("entries.json", content)
    with pytest.raises(InputError, match=rf"entries\.json.*{message}"):
        list(members(path, "{"))


@pytest.mark.timeout(10)
def test_a_pipe_in_place_of_a_file_is_a_sentence(tmp_path: Path):
    os.mkfifo(tmp_path / "items.json")
    with pytest.raises(InputError, match="no file with contents"):
        list(members(tmp_path / "items.json", "["))


PACKED = 1 << 13
BOMBS: dict[str, Callable[[int], bytes]] = {
    "one text": lambda size: b'[{"asin": "' + b"x" * size,
    "spaces": lambda size: b"[" + b" " * size,
    "spaces after the end": lambda size: b"[]" + b" " * size,
    "spaces in a member": lambda size: b"[{" + b" " * size,
    "small members": lambda size: b"[" + b'{"asin": "nan"},' * (size // 16),
    "one member of many": lambda size: b"[[" + b"[]," * (size // 3),
    "numbers": lambda size: b"[" + b"1" * size,
    "brackets": lambda size: b"[" * size,
}


@pytest.mark.timeout(60)
@pytest.mark.parametrize("bomb", BOMBS.values(), ids=BOMBS)
def test_a_small_archive_is_refused_before_it_fills_the_memory_or_takes_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bomb: Callable[[int], bytes]
):
    monkeypatch.setattr(json_files, "_CHUNK", PACKED)
    monkeypatch.setattr(json_files, "_LARGEST", 4 * PACKED)
    path = tmp_path / "items.json.gz"
    path.write_bytes(gzip.compress(bomb(1 << 22)))
    read: list[int] = []
    more = json_files._Reader._more
    monkeypatch.setattr(json_files._Reader, "_more", lambda self: (read.append(1), more(self))[1])
    tracemalloc.start()
    with pytest.raises(InputError, match=r"a member of more than|times its size|not JSON"):
        for _ in members(path, "["):
            pass
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 400 * PACKED  # a member of 4 * PACKED characters, parsed
    assert len(read) * PACKED <= json_files._GROWTH * path.stat().st_size + 4 * PACKED


@pytest.mark.timeout(60)
def test_recorded_goals_and_their_prices_are_read_within_the_same_bounds(
    files: Files, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(json_files, "_CHUNK", PACKED)
    monkeypatch.setattr(json_files, "_LARGEST", 4 * PACKED)
    start = json.dumps({"prices": {}, "goals": [GOAL]})
    assert files.load(goals=files.write("right.json", start)).goals
    bombs: list[Any] = [
        start[:-2] + ", 3" + " " * (1 << 22),
        start[:-2] + " " * (1 << 22),
        '{"source": "' + "x" * (1 << 22),
        '{"prices": {' + '"x": 1, ' * (1 << 19),
    ]
    for bomb in bombs:
        path = files.folder / "goals.json.gz"
        path.write_bytes(gzip.compress(bomb.encode()))
        with pytest.raises(InputError, match=r"goals\.json\.gz.*(than|is 3, not a JSON object)"):
            files.load(goals=path)


def test_more_members_than_any_real_file_has_are_refused(
    files: Files, monkeypatch: pytest.MonkeyPatch
):
    path = files.write("items.json", [{}] * 20)
    monkeypatch.setattr(json_files, "_MOST", 20)
    assert len(list(members(path, "["))) == 20
    monkeypatch.setattr(json_files, "_MOST", 19)
    with pytest.raises(InputError, match=r"items\.json: it has more than 19 members"):
        list(members(path, "["))


def test_a_real_file_much_longer_than_one_member_may_be_is_read(
    files: Files, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(json_files, "_CHUNK", 1000)
    monkeypatch.setattr(json_files, "_LARGEST", 5000)
    content = [product for product, _ in generate(0, 300)]
    plain = files.write("items.json", content)
    packed = files.folder / "items.json.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    assert list(members(packed, "[")) == list(members(plain, "[")) == content
    spaces = files.write("spaces.json", "[" + " " * 200_000 + "3]")  # nothing is unpacked here
    assert list(members(spaces, "[")) == [3]
