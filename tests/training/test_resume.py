"""A run that is killed at any moment and resumed ends as if nothing had happened."""

import dataclasses
import json
import shutil
import signal

import pyarrow.parquet as pq
import pytest
from safetensors.torch import load_file, save_file
from toy import Slayer, evaluate_toy, run_until_killed, toy_config

from dying import forked
from proxmo.config import PolicyConfig, load_config
from proxmo.envs.spec import EnvSpec
from proxmo.errors import InputError, ProxmoError
from proxmo.files import locked
from proxmo.policies.transformers import load_policy
from proxmo.training.loop import train
from proxmo.training.reporter import Reporter


@pytest.fixture(scope="module")
def killed():
    """Trains in a process of its own until it kills itself: `killed(config, moment, update)`."""
    processes = forked()

    def run(config, moment, update):
        process = processes.Process(target=run_until_killed, args=(config, moment, update))
        process.start()
        process.join()
        assert process.exitcode == -signal.SIGKILL

    return run


def without_clock(path):
    """The records of a file of metrics, but for how long things took."""
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    return [{k: v for k, v in line.items() if not k.startswith("seconds/")} for line in lines]


def assert_same_run(folder, expected, files=("metrics.jsonl", "evaluations.jsonl")):
    for name in files:
        assert without_clock(folder / name) == without_clock(expected / name)
    tables = sorted(path.name for path in (expected / "trajectories").iterdir())
    assert sorted(path.name for path in (folder / "trajectories").iterdir()) == tables
    for name in tables:
        ours, theirs = (pq.read_table(run / "trajectories" / name) for run in (folder, expected))
        assert ours.equals(theirs)
    ours, theirs = (load_file(run / "model" / "model.safetensors") for run in (folder, expected))
    assert ours.keys() == theirs.keys()
    assert all(bool((ours[name] == theirs[name]).all()) for name in ours)
    assert not list(folder.rglob(".unfinished-*"))


@pytest.mark.parametrize(
    ("moment", "update"),
    [
        ("evaluated", 0),
        ("rollout", 1),
        ("updated", 1),
        ("rollout", 3),
        ("optimizing", 3),
        ("updated", 3),
        ("evaluated", 2),
        ("evaluated", 4),
    ],
)
def test_a_killed_run_resumes_to_the_same_end(model, undisturbed, killed, tmp_path, moment, update):
    config = toy_config(model, tmp_path / "run")
    killed(config, moment, update)
    result = train(config, resume=tmp_path / "run", evaluate=evaluate_toy)
    assert_same_run(tmp_path / "run", undisturbed)
    assert [line["update"] for line in result.metrics] == [1, 2, 3, 4]
    assert [line["update"] for line in result.evaluations] == [0, 2, 4]


def test_a_run_with_rare_checkpoints_repeats_what_came_after_the_last(
    model, undisturbed, killed, tmp_path
):
    rare = {"eval_every": 2, "checkpoint_every": 2, "keep_checkpoints": 1}
    config = toy_config(model, tmp_path / "run", run={**rare, "out": str(tmp_path / "run")})
    killed(config, "optimizing", 4)
    assert [p.name for p in (tmp_path / "run" / "checkpoints").iterdir()] == ["update_00002"]
    assert [line["update"] for line in without_clock(tmp_path / "run/metrics.jsonl")] == [1, 2, 3]
    begun = Recorder()
    train(config, resume=tmp_path / "run", evaluate=evaluate_toy, reporter=begun)
    assert begun.done == [2]
    assert_same_run(tmp_path / "run", undisturbed)
    assert [p.name for p in (tmp_path / "run" / "checkpoints").iterdir()] == ["update_00004"]


def test_a_run_killed_twice_resumes_twice(model, undisturbed, killed, tmp_path):
    config = toy_config(model, tmp_path / "run")
    killed(config, "optimizing", 2)
    with pytest.raises(KeyboardInterrupt):
        train(config, resume=tmp_path / "run", evaluate=evaluate_toy, reporter=Stopper(3))
    train(config, resume=tmp_path / "run", evaluate=evaluate_toy)
    assert_same_run(tmp_path / "run", undisturbed)


def test_half_written_files_vanish(model, undisturbed, killed, tmp_path):
    run = tmp_path / "run"
    config = toy_config(model, run)
    killed(config, "optimizing", 3)
    for name in ("metrics.jsonl", "evaluations.jsonl"):
        with (run / name).open("a") as stream:
            stream.write('{"update": 3, "rollout/succ')
    for name in ("model", "checkpoints/.unfinished-update_00003"):
        (run / name).mkdir()
    (run / "model").rename(run / ".unfinished-model")
    (run / "trajectories" / ".unfinished-update_00003.parquet").write_bytes(b"PAR1")
    train(config, resume=run, evaluate=evaluate_toy)
    assert_same_run(run, undisturbed)


def test_a_finished_run_goes_on_to_more_updates(model, undisturbed, tmp_path):
    run = tmp_path / "run"
    train(toy_config(model, run, optim={"updates": 2}), evaluate=evaluate_toy)
    longer = toy_config(model, run, optim={"updates": 4})
    train(longer, resume=run, evaluate=evaluate_toy)
    assert_same_run(run, undisturbed)
    assert load_config(run / "config.toml") == longer


def test_a_run_that_has_become_longer_has_no_model_until_its_new_end(model, tmp_path):
    run = tmp_path / "run"
    train(toy_config(model, run, optim={"updates": 2}), evaluate=evaluate_toy)
    with pytest.raises(KeyboardInterrupt):
        train(toy_config(model, run), resume=run, reporter=Stopper(3))
    with pytest.raises(InputError, match="is not finished and has no model yet; go on with"):
        load_policy(PolicyConfig(str(run)))


def test_a_finished_run_resumed_as_it_is_stays_as_it_is(model, undisturbed, tmp_path):
    run = tmp_path / "run"
    config = toy_config(model, run)
    train(config, evaluate=evaluate_toy)
    train(config, resume=run, evaluate=evaluate_toy)
    assert_same_run(run, undisturbed)


@pytest.mark.parametrize(
    ("section", "setting"),
    [
        ("optim", {"learning_rate": 1e-3}),
        ("rollout", {"group_size": 2}),
        ("credit", {"method": "grpo"}),
        ("policy", {"lora_rank": 4}),
        ("env", {"max_steps": 1}),
        ("run", {"seed": 1}),
    ],
)
def test_another_setting_is_refused_by_name(model, undisturbed, section, setting):
    config = toy_config(model, undisturbed, **{section: setting})
    before = (undisturbed / "config.toml").read_text()
    with pytest.raises(InputError, match=rf"{section}\.{next(iter(setting))} = .*start a new run"):
        train(config, resume=undisturbed)
    assert (undisturbed / "config.toml").read_text() == before


def test_a_folder_that_is_in_use_is_not_written_to(model, undisturbed):
    with pytest.raises(InputError, match=rf"--out {undisturbed} exists.*--resume {undisturbed}"):
        train(toy_config(model, undisturbed))


def test_a_file_is_no_run_folder(model, tmp_path):
    (tmp_path / "run").write_text("")
    with pytest.raises(InputError, match="exists"):
        train(toy_config(model, tmp_path / "run"))


def test_an_empty_folder_is_taken(model, tmp_path):
    (tmp_path / "run").mkdir()
    result = train(toy_config(model, tmp_path / "run", optim={"updates": 0}))
    assert result.folder == tmp_path / "run"


def test_runs_without_a_name_are_numbered(model, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    settings = toy_config(model, tmp_path, optim={"updates": 0}, run={"out": None})
    folders = [str(train(settings).folder) for _ in range(2)]
    assert folders == ["runs/toy-proxmo-1", "runs/toy-proxmo-2"]


@pytest.mark.parametrize("made", [True, False])
def test_what_is_no_run_is_not_resumed(model, tmp_path, made):
    if made:
        (tmp_path / "run").mkdir()
    with pytest.raises(InputError, match=r"is not a run: it has no config\.toml"):
        train(toy_config(model, tmp_path / "run"), resume=tmp_path / "run")


def test_a_run_whose_starting_weights_have_changed_is_refused(model, tmp_path):
    own = tmp_path / "model"
    shutil.copytree(model, own)
    config = toy_config(own, tmp_path / "run", optim={"updates": 1})
    train(config)
    weights = load_file(own / "model.safetensors")
    save_file(
        {name: value + 0.1 for name, value in weights.items()},
        own / "model.safetensors",
        {"format": "pt"},
    )
    with pytest.raises(InputError, match=f"began with other weights than {own} has now"):
        train(config, resume=tmp_path / "run")


def test_a_checkpoint_of_another_model_is_refused(model, undisturbed, tmp_path, killed):
    run = tmp_path / "run"
    config = toy_config(model, run, policy={"lora_rank": 2})
    killed(config, "rollout", 2)
    path = run / "checkpoints" / "update_00001"
    shutil.rmtree(path)
    shutil.copytree(undisturbed / "checkpoints" / "update_00004", path)
    with pytest.raises(InputError, match="is of another model"):
        train(config, resume=run)


@pytest.fixture
def finished(undisturbed, tmp_path):
    """A copy of a run, to be tampered with."""
    return shutil.copytree(undisturbed, tmp_path / "run")


def test_a_seed_edited_in_the_settings_is_refused(model, finished):
    file = finished / "config.toml"
    file.write_text(file.read_text().replace("\nseed = 0", "\nseed = 7"))
    config = load_config(file)
    assert config.run.seed == 7
    with pytest.raises(InputError, match=r"began with run\.seed = 0 and cannot go on with 7"):
        train(config, resume=finished)


def test_other_noise_is_refused(model, finished):
    config = load_config(finished / "config.toml")
    noisy = dataclasses.replace(config, env=dataclasses.replace(config.env, noise=0.5))
    with pytest.raises(
        InputError, match=r"began with env\.noise = 0\.0 and cannot go on with 0\.5"
    ):
        train(noisy, resume=finished)


def test_a_run_among_noise_resumes_to_the_same_noise(model, tmp_path):
    for name, updates in (("whole", [2]), ("parts", [1, 2])):
        for number in updates:
            config = toy_config(
                model,
                tmp_path / name,
                env={"noise": 1.0},
                policy={"max_prompt_tokens": 200},
                optim={"updates": number},
            )
            resumed = tmp_path / name if name == "parts" and number == 2 else None
            train(config, resume=resumed)
    whole, parts = (
        pq.read_table(tmp_path / name / "trajectories" / "update_00002.parquet").to_pydict()
        for name in ("whole", "parts")
    )
    assert whole == parts
    assert len(set(whole["observation"])) == len(whole["observation"]) > 10


def test_other_data_behind_the_same_path_is_refused(model, finished, monkeypatch):
    config = load_config(finished / "config.toml")
    monkeypatch.setattr(EnvSpec, "fingerprint", lambda self, path: "other")
    with pytest.raises(InputError, match=r"began with other data than there is now .*now other"):
        train(config, resume=finished)


def test_another_limit_in_the_model_s_folder_is_refused(model, tmp_path):
    own = shutil.copytree(model, tmp_path / "model")
    config = toy_config(own, tmp_path / "run", optim={"updates": 1})
    train(config)
    settings = json.loads((own / "proxmo.json").read_text())
    assert settings["max_response_tokens"] == 3
    (own / "proxmo.json").write_text(json.dumps(settings | {"max_response_tokens": 2}))
    with pytest.raises(InputError, match="prompt max_response_tokens = 3 and cannot go on with 2"):
        train(config, resume=tmp_path / "run")


def test_a_run_of_before_there_was_a_record_of_its_start_goes_on(model, undisturbed, finished):
    (finished / "start.toml").unlink()
    shutil.rmtree(finished / "checkpoints" / "update_00004")
    (finished / "checkpoints" / "update_00003" / "digests.json").unlink()
    train(load_config(finished / "config.toml"), resume=finished, evaluate=evaluate_toy)
    assert_same_run(finished, undisturbed)
    assert (finished / "start.toml").is_file()


def test_a_damaged_newest_checkpoint_is_refused_and_the_one_before_goes_on(
    model, undisturbed, finished
):
    newest = finished / "checkpoints" / "update_00004"
    weights = newest / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    config = load_config(finished / "config.toml")
    metrics = (finished / "metrics.jsonl").read_bytes()
    with pytest.raises(InputError, match=rf"update_00003: delete {newest} to go on from it"):
        train(config, resume=finished, evaluate=evaluate_toy)
    assert (finished / "metrics.jsonl").read_bytes() == metrics
    shutil.rmtree(newest)
    train(config, resume=finished, evaluate=evaluate_toy)
    assert_same_run(finished, undisturbed)


def test_a_run_that_is_at_work_is_neither_resumed_nor_written_to(model, undisturbed, finished):
    config = load_config(finished / "config.toml")
    with (
        locked(finished / ".lock", "run x"),
        pytest.raises(InputError, match=f"run {finished} is in use by process .*wait for it"),
    ):
        train(config, resume=finished)
    train(config, resume=finished, evaluate=evaluate_toy)  # it was let go of
    assert_same_run(finished, undisturbed)


def test_a_folder_deleted_under_a_run_is_said_and_not_made_again(model, tmp_path):
    run = tmp_path / "run"

    class Deleter(Reporter):
        def optimizing(self, update, done, total):
            if update == 2:
                shutil.rmtree(run, ignore_errors=True)

    with pytest.raises(ProxmoError, match=f"the run folder {run} was deleted while the run was"):
        train(toy_config(model, run), reporter=Deleter())
    assert not run.exists()


@pytest.mark.parametrize("left", [".unfinished-12-config.toml", ".lock"])
def test_what_a_kill_left_does_not_make_a_folder_old(model, tmp_path, left):
    run = tmp_path / "run"
    run.mkdir()
    (run / left).write_text("")
    train(toy_config(model, run, optim={"updates": 0}))
    assert not list(run.glob(".unfinished-*"))


class Recorder(Reporter):
    """Notes after how many updates the run began."""

    def __init__(self):
        self.done = []

    def begun(self, folder, done):
        self.done.append(done)


class Stopper(Slayer):
    """Presses Ctrl-C in the rollout of an update."""

    def __init__(self, update):
        super().__init__("rollout", update)

    def _reached(self, moment, update):
        if (moment, update) == (self.moment, self.update):
            raise KeyboardInterrupt
