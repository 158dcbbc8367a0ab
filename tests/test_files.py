"""Files that are whole or absent, folders that are free or held, and what kills leave behind."""

import os
import subprocess
import sys
import time

import pytest

from proxmo import files
from proxmo.errors import InputError
from proxmo.files import (
    cache_folder,
    is_disk_full,
    is_new,
    locked,
    remove,
    remove_unfinished,
    sweep,
    whole,
    write_text,
)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_what_is_written_is_there_when_the_block_ends(tmp_path):
    with whole(tmp_path / "folder") as path:
        path.mkdir()
        (path / "file").write_text("new")
        assert not (tmp_path / "folder").exists()
    assert (tmp_path / "folder" / "file").read_text() == "new"
    assert names(tmp_path) == ["folder"]


def test_a_block_that_raises_leaves_what_was_there(tmp_path):
    write_text(tmp_path / "file", "old")

    def interrupted():
        with whole(tmp_path / "file") as path:
            path.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert (tmp_path / "file").read_text() == "old"
    assert names(tmp_path) == ["file"]


def test_a_folder_that_another_finished_first_may_stay(tmp_path):
    with whole(tmp_path / "made", keep=True) as path:
        path.mkdir()
        (tmp_path / "made").mkdir()
        (tmp_path / "made" / "first").touch()
    assert names(tmp_path / "made") == ["first"]


def test_what_is_removed_is_gone_at_once_and_half_of_it_is_debris(tmp_path, monkeypatch):
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "file").touch()
    seen = []
    delete = files._remove

    def killed(path):
        if path.exists():
            seen.append(names(tmp_path))
            raise KeyboardInterrupt
        delete(path)

    monkeypatch.setattr(files, "_remove", killed)
    with pytest.raises(KeyboardInterrupt):
        remove(tmp_path / "old")
    assert all(name.startswith(".unfinished-removed-") for name in seen[0])
    assert is_new(tmp_path)
    monkeypatch.undo()
    remove_unfinished(tmp_path)
    assert names(tmp_path) == []
    remove(tmp_path / "never there")


def test_a_folder_with_nothing_but_debris_is_new(tmp_path):
    assert is_new(tmp_path / "nowhere")
    assert is_new(tmp_path)
    (tmp_path / ".unfinished-12-34-config.toml").touch()
    (tmp_path / files.LOCK).touch()
    assert is_new(tmp_path)
    (tmp_path / "config.toml").touch()
    assert not is_new(tmp_path)
    assert not is_new(tmp_path / "config.toml")


def test_debris_of_the_dead_is_swept_and_the_work_of_the_living_is_not(tmp_path):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    old = [
        f".unfinished-{dead.pid}-1-model",
        f".unfinished-removed-{dead.pid}-1-model",
        f".unfinished-{os.getpid()}-1-mine",
        "model",
    ]
    for name in [*old, f".unfinished-{dead.pid}-2-fresh"]:
        (tmp_path / name).mkdir()
    hours_ago = time.time() - 7200
    for name in old:
        os.utime(tmp_path / name, (hours_ago, hours_ago))
    sweep(tmp_path)
    # What is fresh may be of a process on another machine that shares the disk.
    assert names(tmp_path) == sorted([old[2], f".unfinished-{dead.pid}-2-fresh", "model"])
    sweep(tmp_path / "nowhere")


def test_a_lock_names_its_holder_and_dies_with_it(tmp_path):
    code = (
        "import sys, pathlib, proxmo.files as f\n"
        "with f.locked(pathlib.Path(sys.argv[1]), 'the run'):\n"
        "    print('held', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "lock")]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with (
            pytest.raises(InputError, match=rf"the run is in use by process {other.pid} on "),
            locked(tmp_path / "lock", "the run"),
        ):
            pytest.fail("two have it")
        other.kill()
    with locked(tmp_path / "lock", "the run"):
        pass


def test_the_cache_is_where_its_variable_says(tmp_path, monkeypatch):
    monkeypatch.setenv("PROXMO_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path
    monkeypatch.delenv("PROXMO_CACHE")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache" / "proxmo"


def test_a_full_disk_is_told_by_number_or_by_words():
    assert is_disk_full(OSError(28, "No space left on device"))
    assert is_disk_full(RuntimeError("I/O error: No space left on device (os error 28)"))
    assert not is_disk_full(OSError(13, "Permission denied"))
