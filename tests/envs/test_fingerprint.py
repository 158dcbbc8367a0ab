"""Data is named by what is in it."""

import os
import time
from pathlib import Path

import pytest

from proxmo.envs import fingerprint
from proxmo.errors import InputError


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory, monkeypatch):
    cache = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("PROXMO_CACHE", str(cache))
    return cache


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    (folder / "train").mkdir(parents=True)
    (folder / "train" / "a.json").write_text("one")
    (folder / "b.json").write_text("two")
    return folder


def test_the_same_files_elsewhere_have_the_same_name(data, tmp_path):
    before = fingerprint.of_files(data)
    moved = data.rename(tmp_path / "moved")
    os.utime(moved / "b.json", (1, 1))
    assert fingerprint.of_files(moved) == before


@pytest.mark.parametrize("change", ["contents", "name", "folder", "one more"])
def test_other_data_behind_the_same_path_has_another_name(data, change):
    before = fingerprint.of_files(data)
    if change == "contents":
        (data / "b.json").write_text("six")
    elif change == "name":
        (data / "b.json").rename(data / "c.json")
    elif change == "folder":
        (data / "b.json").rename(data / "train" / "b.json")
    else:
        (data / "c.json").write_text("")
    assert fingerprint.of_files(data) != before


_TICK = 0.05
"""Seconds in which the clock of a file system goes on: by milliseconds, not nanoseconds."""


@pytest.fixture
def settled(data, monkeypatch):
    """The data was written long ago."""
    monkeypatch.setattr(fingerprint, "_SETTLED", 0)
    time.sleep(_TICK)


@pytest.fixture
def read(monkeypatch):
    """The names of the files that are read."""
    names: list[str] = []
    right = fingerprint._read
    monkeypatch.setattr(
        fingerprint, "_read", lambda path: (names.append(path.name), right(path))[1]
    )
    return names


def test_a_file_is_read_once_until_it_is_written_again(data, settled, read):
    before = fingerprint.of_files(data)
    assert fingerprint.of_files(data) == before
    assert read == ["b.json", "a.json"]
    (data / "b.json").write_text("six")
    assert fingerprint.of_files(data) != before
    assert read == ["b.json", "a.json", "b.json"]


def test_a_file_that_was_written_just_now_is_read_again(data, read):
    fingerprint.of_files(data)
    fingerprint.of_files(data)
    assert read == ["b.json", "a.json"] * 2


def test_a_file_that_was_changed_with_its_size_and_its_time_kept_is_read_again(data, settled):
    file = data / "b.json"
    before, at = fingerprint.of_files(data), file.stat()
    with file.open("r+b") as stream:
        stream.write(b"six")
    os.utime(file, ns=(at.st_atime_ns, at.st_mtime_ns))
    now = file.stat()
    assert (now.st_size, now.st_mtime_ns, now.st_ino) == (at.st_size, at.st_mtime_ns, at.st_ino)
    assert fingerprint.of_files(data) != before


@pytest.mark.parametrize(
    "damage",
    [
        "", "[", "[1, 2]", "[" * 100_000, "\x00", "{}", '{"b.json": 3}', '{"b.json": []}',
        '{"b.json": ["x"]}', '{"b.json": [1, 2, 3, 4, 5, 6]}', '{"b.json": ["' + "z" * 64 + '"]}',
    ],
)  # fmt: skip
def test_a_memory_that_is_damaged_is_not_trusted(data, settled, own_cache, damage):
    right = fingerprint.of_files(data)
    (memory,) = (own_cache / "digests").iterdir()
    memory.write_text(damage)
    assert fingerprint.of_files(data) == right
    assert fingerprint.of_files(data) == right


def test_a_folder_that_cannot_be_remembered_in_is_no_failure(data, settled, monkeypatch):
    right = fingerprint.of_files(data)
    monkeypatch.setenv("PROXMO_CACHE", str(data / "b.json"))
    assert fingerprint.of_files(data) == right


def test_links_are_followed(data, tmp_path):
    linked = tmp_path / "linked"
    linked.mkdir()
    (linked / "train").symlink_to(data / "train")
    (linked / "b.json").symlink_to(data / "b.json")
    assert fingerprint.of_files(linked) == fingerprint.of_files(data)


@pytest.mark.timeout(10)
def test_what_has_no_contents_of_its_own_does_not_count(data):
    before = fingerprint.of_files(data)
    os.mkfifo(data / "pipe")
    (data / "nowhere").symlink_to(data / "gone")
    (data / "train" / "back").symlink_to(data)
    (data / "round").symlink_to(data / "round")
    assert fingerprint.of_files(data) == before


@pytest.mark.timeout(10)
def test_what_cannot_be_read_is_a_sentence(data, monkeypatch):
    os.mkfifo(data / "pipe")
    with pytest.raises(InputError, match="pipe is no file with contents"):
        fingerprint.of_files(data / "pipe")
    with pytest.raises(InputError, match=r"cannot read .*absent"):
        fingerprint.of_files(data / "absent")

    def denied(self, mode="r", **more):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", denied)
    with pytest.raises(InputError, match=r"cannot read .*[ab]\.json: Permission denied"):
        fingerprint.of_files(data)
