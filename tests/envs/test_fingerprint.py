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


def _aged(path: Path, seconds: int) -> None:
    at = time.time_ns() - seconds * 1_000_000_000
    os.utime(path, ns=(at, at))


def test_a_large_file_is_read_once_until_it_is_written_again(data, monkeypatch):
    monkeypatch.setattr(fingerprint, "LARGE", 3)
    read = []
    monkeypatch.setattr(fingerprint, "_read", lambda path: read.append(path.name) or "0" * 64)
    file = data / "b.json"
    fingerprint.of_file(file)
    fingerprint.of_file(file)
    assert read == ["b.json"] * 2  # written just now: not trusted yet
    _aged(file, 100)
    fingerprint.of_file(file)
    fingerprint.of_file(file)
    assert read == ["b.json"] * 3
    _aged(file, 50)
    fingerprint.of_file(file)
    assert read == ["b.json"] * 4


@pytest.mark.parametrize("damage", ["", "[", "[1, 2, 3, 4, 5]", "[" * 100_000, "\x00"])
def test_a_memory_that_is_damaged_is_not_trusted(data, monkeypatch, own_cache, damage):
    monkeypatch.setattr(fingerprint, "LARGE", 3)
    file = data / "b.json"
    _aged(file, 100)
    right = fingerprint.of_file(file)
    (memory,) = (own_cache / "digests").iterdir()
    memory.write_text(damage)
    assert fingerprint.of_file(file) == right


def test_a_folder_that_cannot_be_remembered_in_is_no_failure(data, monkeypatch, tmp_path):
    monkeypatch.setattr(fingerprint, "LARGE", 3)
    _aged(data / "b.json", 100)
    monkeypatch.setenv("PROXMO_CACHE", str(data / "b.json"))
    assert len(fingerprint.of_file(data / "b.json")) == 64


def test_links_are_followed_and_one_that_leads_back_is_named(data, tmp_path):
    linked = tmp_path / "linked"
    linked.mkdir()
    (linked / "train").symlink_to(data / "train")
    (linked / "b.json").symlink_to(data / "b.json")
    assert fingerprint.of_files(linked) == fingerprint.of_files(data)
    (data / "train" / "back").symlink_to(data)
    with pytest.raises(InputError, match="back leads back to a folder that it is in"):
        fingerprint.of_files(data)


@pytest.mark.timeout(10)
def test_what_cannot_be_read_is_a_sentence(data):
    os.mkfifo(data / "pipe")
    for path in (data, data / "pipe"):
        with pytest.raises(InputError, match="pipe is no file with contents"):
            fingerprint.of_files(path)
    (data / "pipe").unlink()
    (data / "gone").symlink_to(data / "nowhere")
    with pytest.raises(InputError, match=r"cannot read .*gone: No such file"):
        fingerprint.of_files(data)
    with pytest.raises(InputError, match=r"cannot read .*absent"):
        fingerprint.of_files(data / "absent")
