"""A finished result is written over by one of the same settings alone, and whole or not at all."""

import json
import os
import subprocess
import sys
import time

import pytest

from proxmo.commands.result_file import check_out, check_same, write_result
from proxmo.errors import InputError

SETTINGS = {
    "model": "runs/a",
    "weights": "abc",
    "data": "games",
    "data_fingerprint": "f1",
    "split": "valid",
    "template": {"enable_thinking": False},
}
RESULT = {"proxmo": "0.1", **SETTINGS, "overall": {"success": 0.5}}


@pytest.fixture
def out(tmp_path):
    write_result(tmp_path / "result.json", RESULT)
    return tmp_path / "result.json"


def test_the_same_settings_may_be_measured_again(out):
    check_out(out)
    check_same(out, SETTINGS)


@pytest.mark.parametrize(
    ("other", "told"),
    [
        ({"split": "train"}, "split 'valid', and this evaluation has 'train'"),
        ({"weights": "xyz"}, "weights 'abc', and this evaluation has 'xyz'"),
        ({"data_fingerprint": "f2"}, "data_fingerprint 'f1', and this evaluation has 'f2'"),
        ({"model": "gpt", "weights": None}, "model 'runs/a', and this evaluation has 'gpt'"),
        ({"template": {}}, "template {'enable_thinking': False}, and this evaluation has {}"),
    ],
)
def test_a_result_of_other_settings_stays(out, other, told):
    with pytest.raises(InputError, match="another --out, or delete the file") as refused:
        check_same(out, {**SETTINGS, **other})
    assert told in str(refused.value)


def test_what_was_moved_is_the_same(out):
    check_same(out, {**SETTINGS, "model": "elsewhere/a", "data": "elsewhere/games"})


def test_a_result_of_a_version_that_knew_fewer_settings_is_judged_by_those(out):
    check_same(out, {**SETTINGS, "timeout": 3.0})
    with pytest.raises(InputError, match="split"):
        check_same(out, {**SETTINGS, "timeout": 3.0, "split": "train"})


@pytest.mark.parametrize("text", ["notes", "[1]", "{}", "\udcff", "[" * 100_000])
def test_a_file_of_something_else_stays(tmp_path, text):
    file = tmp_path / "notes.txt"
    file.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(InputError, match=r"notes.txt holds something other than a result"):
        check_out(file)


def test_an_empty_file_and_a_device_take_a_result(tmp_path):
    (tmp_path / "empty").touch()
    for out in (tmp_path / "empty", tmp_path / "new", *map(type(tmp_path), ["/dev/null"])):
        check_out(out)
        check_same(out, SETTINGS)
        write_result(out, RESULT)
    assert json.loads((tmp_path / "empty").read_text()) == RESULT


def test_a_link_stays_and_what_it_points_to_is_written(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "real.json")
    write_result(tmp_path / "link", RESULT)
    assert (tmp_path / "link").is_symlink()
    assert json.loads((tmp_path / "real.json").read_text()) == RESULT


def test_what_killed_evaluations_left_is_swept(tmp_path):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    left = tmp_path / f".unfinished-{dead.pid}-1-result.json"
    left.touch()
    hours_ago = time.time() - 7200
    os.utime(left, (hours_ago, hours_ago))
    check_out(tmp_path / "result.json")
    assert not left.exists()
