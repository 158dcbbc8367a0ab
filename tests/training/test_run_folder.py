"""What is read back from a run's folder: whole, or a sentence that names file and line."""

import json
import math

import pytest

from proxmo.config import TrainConfig, parse_config
from proxmo.errors import InputError, ProxmoError, ProxmoWarning
from proxmo.policies.transformers import PromptSettings
from proxmo.training.run_folder import RunFolder
from proxmo.training.start import check_start, read_start, start_of, write_start


@pytest.fixture
def run(tmp_path):
    folder = RunFolder(tmp_path)
    for update in (1, 2, 3):
        folder.append_metrics(update, {"rollout/success_rate": 0.5})
    return folder


@pytest.mark.parametrize(
    "line",
    [b"{", b"\xff\xfe", b"3", b"{}", b'{"update": "two"}', b"", b"[" * 100_000],
)
@pytest.mark.parametrize("name", ["metrics.jsonl", "evaluations.jsonl"])
def test_a_damaged_line_is_named(run, line, name):
    path = run.folder / name
    path.write_bytes(b'{"update": 1}\n' + line + b'\n{"update": 3}\n')
    with pytest.raises(InputError) as error:
        run.rewind(3)
    assert f"{path}, line 2, is damaged" in str(error.value)


def test_a_last_line_that_was_cut_short_is_none(run):
    with run.metrics_file.open("ab") as stream:
        stream.write(b'{"update": 4, "\xc3')
    assert [line["update"] for line in run.read_metrics()] == [1, 2, 3]


def test_records_are_strict_json(run):
    run.append_metrics(4, {"a": math.nan, "b": [math.inf, 1.0], "c": {"d": -math.inf}})

    def no_constant(name):
        raise ValueError(name)

    last = run.metrics_file.read_text().splitlines()[-1]
    assert json.loads(last, parse_constant=no_constant) == {
        "update": 4,
        "a": None,
        "b": [None, 1.0],
        "c": {"d": None},
    }


def test_tables_of_another_name_are_left_alone(run):
    run.trajectories.mkdir()
    for name in ("update_x.parquet", "update_00004.parquet", "update_00002.parquet"):
        (run.trajectories / name).touch()
    run.rewind(2)
    assert sorted(path.name for path in run.trajectories.iterdir()) == [
        "update_00002.parquet",
        "update_x.parquet",
    ]


def test_a_binary_digest_is_a_sentence(run):
    run.digest_file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match=r"start\.digest is damaged"):
        run.read_digest()


def test_a_folder_that_was_deleted_says_what_happened(run):
    with pytest.raises(ProxmoError, match=f"the run folder {run.folder} was deleted"):
        run.check_there()


def began(config=None, data="abc", **prompt):
    return start_of(config or TrainConfig(), data, 50, PromptSettings(**prompt))


def test_the_start_is_kept_as_it_was(tmp_path):
    config = parse_config({"credit": {"alpha": math.inf}, "run": {"seed": 3}}, where="test")
    start = began(config)
    write_start(tmp_path / "start.toml", start)
    assert read_start(tmp_path / "start.toml") == start
    assert start.settings["run"]["seed"] == 3
    assert start.prompt["max_response_tokens"] == 512
    assert read_start(tmp_path / "no.toml") is None
    check_start(tmp_path, start, began(config))


@pytest.mark.parametrize(
    ("now", "message"),
    [
        (began(data="abd"), "other data than there is now (fingerprint abc, now abd)"),
        (began(max_response_tokens=16), "prompt max_response_tokens = 512 and cannot go on with 1"),
        (began(history=3), "prompt history = 2 and cannot go on with 3"),
        (
            began(parse_config({"run": {"seed": 5}}, where="test")),
            "run.seed = 0 and cannot go on with 5",
        ),
    ],
)
def test_another_start_is_refused_by_name(tmp_path, now, message):
    with pytest.raises(InputError) as error:
        check_start(tmp_path, began(), now)
    assert f"--resume {tmp_path} began with {message}" in str(error.value)


def test_what_decides_no_number_may_change(tmp_path):
    settings = {
        "env": {"data": "elsewhere"},
        "policy": {"model": "moved"},
        "optim": {"updates": 99},
        "run": {"out": "elsewhere", "keep_checkpoints": 9},
    }
    check_start(tmp_path, began(), began(parse_config(settings, where="test")))


def test_another_version_is_warned_of(tmp_path, monkeypatch):
    start = began()
    monkeypatch.setattr("proxmo.__version__", "9.9", raising=False)
    with pytest.warns(ProxmoWarning, match=r"goes on with 9\.9"):
        check_start(tmp_path, start, began())


@pytest.mark.parametrize("content", [b"\xff", b"a = 3", b"a = " + b"[" * 100_000, b"settings = 3"])
def test_a_damaged_start_is_a_sentence(tmp_path, content):
    file = tmp_path / "start.toml"
    file.write_bytes(content)
    with pytest.raises(InputError, match=r"start\.toml is damaged"):
        read_start(file)
