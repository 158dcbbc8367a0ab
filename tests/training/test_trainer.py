"""The training loop: it learns, it refuses what cannot work, and it loses nothing."""

import errno
import os
import signal

import numpy as np
import pytest
import toy
from toy import ToyEnv, evaluate_toy, toy_config

from proxmo.config import parse_config
from proxmo.credit import CREDIT
from proxmo.envs import registry
from proxmo.envs.webshop import WebShopEnv
from proxmo.errors import InputError, ProxmoError, Terminated
from proxmo.training import checkpoint, loop
from proxmo.training.loop import draw_tasks, rollout_seed, train
from proxmo.training.reporter import Reporter
from proxmo.training.session import Session


class At(Reporter):
    """Does something when training reaches an update's rollout."""

    def __init__(self, update, what):
        self.update, self.what = update, what

    def rollout(self, update, progress):
        if update == self.update:
            self.what()


@pytest.fixture(autouse=True)
def _ctrl_c_interrupts():
    """As in a terminal: of a process that a shell starts in the background, Python ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def press_ctrl_c():
    os.kill(os.getpid(), signal.SIGINT)


def test_training_raises_the_success_rate(model, tmp_path):
    config = toy_config(
        model,
        tmp_path / "run",
        env={"train_split": "red"},
        rollout={"tasks": 4, "group_size": 8},
        optim={"updates": 12, "learning_rate": 3e-3},
    )
    result = train(config)
    rates = [line["rollout/success_rate"] for line in result.metrics]
    assert np.mean(rates[:2]) < 0.75
    assert np.mean(rates[-3:]) > 0.95


def test_a_reward_that_says_nothing_teaches_nothing(model, tmp_path, monkeypatch):
    monkeypatch.setattr(ToyEnv, "reward", 0.0)
    config = toy_config(
        model,
        tmp_path / "run",
        credit={"invalid_action_penalty": 0.0},
        optim={"updates": 1, "kl": 0.0},
    )
    (metrics,) = train(config).metrics
    assert metrics["rollout/success_rate"] > 0
    assert metrics["optim/grad_norm"] == 0


@pytest.mark.parametrize("method", CREDIT)
def test_every_method_trains(model, tmp_path, method):
    config = toy_config(
        model, tmp_path / "run", credit={"method": method}, optim={"updates": 1}, run={"out": None}
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        result = train(config)
    assert result.folder.name == f"toy-{method}-1"
    assert result.metrics[0]["optim/grad_norm"] > 0


def test_more_tasks_than_there_are_are_refused_before_anything_is_written(model, tmp_path):
    config = toy_config(model, tmp_path / "run", rollout={"tasks": 13})
    with pytest.raises(InputError, match=r"rollout\.tasks is 13, but split 'train' has 12"):
        train(config)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(("reward", "graded"), [("success", False), ("score", True)])
def test_the_score_of_an_episode_is_rewarded_where_it_is_asked_for(reward, graded):
    config = parse_config({"env": {"name": "webshop", "reward": reward}}, where="test")
    env = Session(config, registry.get("webshop"), None, Reporter()).make_env()
    assert isinstance(env, WebShopEnv)
    assert env.graded is graded


def test_a_score_that_no_episode_has_is_refused_before_anything_is_written(model, tmp_path):
    config = toy_config(model, tmp_path / "run", env={"reward": "score"})
    with pytest.raises(
        InputError, match=r"env\.reward is 'score', and environment 'toy' gives none"
    ):
        train(config)
    assert not (tmp_path / "run").exists()


def test_tasks_are_drawn_without_repeats_and_alike_for_a_seed():
    tasks = toy.ToyTasks(12)
    drawn = [[task.id for task in draw_tasks(tasks, 12, [0, u])] for u in (1, 1, 2)]
    assert sorted(drawn[0]) == sorted(task.id for task in (tasks[i] for i in range(12)))
    assert drawn[0] == drawn[1] != drawn[2]
    assert len({rollout_seed(seed, update) for seed in range(9) for update in range(9)}) == 81


def test_episodes_that_all_fail_to_start_end_the_run_with_their_error(model, tmp_path, monkeypatch):
    def broken(self, **_):
        raise OSError("no such room")

    monkeypatch.setattr(ToyEnv, "reset", broken)
    config = toy_config(model, tmp_path / "run", rollout={"tasks": 2, "group_size": 2})
    with pytest.raises(ProxmoError, match=r"broke off all 4 episodes .* OSError: no such room"):
        train(config)


def test_broken_episodes_are_recorded_and_the_others_learnt_from(model, tmp_path):
    config = toy_config(
        model,
        tmp_path / "run",
        env={"train_split": "broken"},
        rollout={"tasks": 12},
        optim={"updates": 1},
    )
    (metrics,) = train(config).metrics
    assert metrics["rollout/errors"] == 16  # 4 tasks of 12, times the group
    assert metrics["optim/grad_norm"] > 0


def test_ctrl_c_saves_says_how_to_go_on_and_nothing_is_lost(model, undisturbed, tmp_path):
    config = toy_config(model, tmp_path / "run", run={"checkpoint_every": 100})
    with pytest.raises(KeyboardInterrupt, match=r"after update 2; .* --resume .*run") as stopped:
        train(config, evaluate=evaluate_toy, reporter=At(3, press_ctrl_c))
    assert "interrupted" in str(stopped.value)
    result = train(config, evaluate=evaluate_toy, resume=tmp_path / "run")
    assert [line["update"] for line in result.metrics] == [1, 2, 3, 4]
    original = (undisturbed / "model" / "model.safetensors").read_bytes()
    assert (tmp_path / "run" / "model" / "model.safetensors").read_bytes() == original


def test_ctrl_c_during_an_update_waits_for_its_end(model, tmp_path):
    class Midway(Reporter):
        def optimizing(self, update, done, total):
            if update == 2:
                press_ctrl_c()

    config = toy_config(
        model, tmp_path / "run", optim={"minibatches": 1, "micro_batch_tokens": 10**6}
    )
    with pytest.raises(KeyboardInterrupt, match="after update 2"):
        train(config, reporter=Midway())
    assert set(checkpoint.found_checkpoints(tmp_path / "run" / "checkpoints")) == {1, 2}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_during_an_update_waits_for_its_end(model, tmp_path, number):
    class Midway(Reporter):
        def optimizing(self, update, done, total):
            if update == 2:
                os.kill(os.getpid(), number)

    config = toy_config(
        model, tmp_path / "run", optim={"minibatches": 1, "micro_batch_tokens": 10**6}
    )
    before = signal.getsignal(number)
    with pytest.raises(Terminated, match=f"ended by {number.name} after update 2; go on") as told:
        train(config, reporter=Midway())
    assert told.value.signal == number
    assert set(checkpoint.found_checkpoints(tmp_path / "run" / "checkpoints")) == {1, 2}
    assert signal.getsignal(number) == before


def test_a_second_signal_is_not_held_back(model, tmp_path):
    class Midway(Reporter):
        def optimizing(self, update, done, total):
            if update == 2:
                os.kill(os.getpid(), signal.SIGTERM)
                os.kill(os.getpid(), signal.SIGTERM)

    config = toy_config(model, tmp_path / "run")
    with pytest.raises(Terminated, match="after update 1; go on with"):
        train(config, reporter=Midway())
    assert set(checkpoint.found_checkpoints(tmp_path / "run" / "checkpoints")) == {1}


def test_an_ignored_hangup_stays_ignored(model, tmp_path):
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as `nohup` starts a process
    try:
        hang_up = At(2, lambda: os.kill(os.getpid(), signal.SIGHUP))
        result = train(toy_config(model, tmp_path / "run", optim={"updates": 2}), reporter=hang_up)
    finally:
        signal.signal(signal.SIGHUP, before)
    assert len(result.metrics) == 2


def test_who_is_told_of_an_update_and_fails_costs_nothing(model, tmp_path):
    class Closed(Reporter):
        def updated(self, update, metrics):
            raise OSError(errno.EIO, "the terminal is closed")

    with pytest.raises(OSError, match="the terminal is closed"):
        train(toy_config(model, tmp_path / "run"), reporter=Closed())
    assert set(checkpoint.found_checkpoints(tmp_path / "run" / "checkpoints")) == {1}


@pytest.mark.parametrize("pressed", [False, True])
def test_a_full_disk_is_said_with_the_way_to_go_on(model, undisturbed, tmp_path, pressed):
    config = toy_config(model, tmp_path / "run")
    kept = checkpoint.save_file

    def save(tensors, path):
        if "update_00003" in str(path) or (pressed and "update_00002" in str(path)):
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        kept(tensors, path)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checkpoint, "save_file", save)
        if pressed:
            config = toy_config(model, tmp_path / "run", run={"checkpoint_every": 100})
        with pytest.raises(ProxmoError, match=r"the disk is full .*; go on with: proxmo train"):
            train(
                config,
                evaluate=evaluate_toy,
                reporter=At(3, press_ctrl_c) if pressed else Reporter(),
            )
    result = train(config, evaluate=evaluate_toy, resume=tmp_path / "run")
    assert [line["update"] for line in result.metrics] == [1, 2, 3, 4]
    original = (undisturbed / "model" / "model.safetensors").read_bytes()
    assert (tmp_path / "run" / "model" / "model.safetensors").read_bytes() == original


def test_fewer_updates_than_were_made_are_refused(model, undisturbed):
    config = toy_config(model, undisturbed, optim={"updates": 3})
    with pytest.raises(InputError, match="has made 4 updates, more than the 3 asked for"):
        train(config, resume=undisturbed)


def test_steps_left_out_update_after_update_end_the_run(model, tmp_path, monkeypatch):
    took = loop.update_policy

    def leaves_one_out(*arguments, **options):
        return took(*arguments, **options) | {"optim/skipped_steps": 1.0}

    monkeypatch.setattr(loop, "update_policy", leaves_one_out)
    config = toy_config(model, tmp_path / "run", optim={"updates": 9})
    with pytest.raises(ProxmoError, match=r"left out in 3 updates .* smaller optim\.learning_rate"):
        train(config)
    assert len((tmp_path / "run" / "metrics.jsonl").read_text().splitlines()) == 3
