"""Two processes that share the work come to what one process comes to alone."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import tomli_w
import torch
from safetensors.torch import load_file, save_file
from toy import evaluate_toy, register, toy_config

from proxmo.config import TrainConfig, config_dict, load_config
from proxmo.training import update
from proxmo.training.loop import train

COMPARED = ("optim/grad_norm", "optim/loss", "optim/kl", "rollout/success_rate")


def train_and_keep_gradients(config: TrainConfig, kept: Path) -> None:
    """Train, and write to `kept` every parameter's gradient of every step, summed."""
    gradients = {}
    summed = update.sum_gradients

    def keep(parameters, accelerator):
        summed(parameters, accelerator)
        step = len({name.split("/")[0] for name in gradients})
        for number, parameter in enumerate(parameters):
            gradients[f"{step}/{number}"] = parameter.grad.clone()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(update, "sum_gradients", keep)
        train(config, evaluate=evaluate_toy)
    save_file(gradients, kept)


@pytest.fixture(scope="module")
def runs(model, tmp_path_factory):
    """Folders of the same run, by one process and by two."""
    folder = tmp_path_factory.mktemp("processes")
    alone, shared = (
        toy_config(
            model,
            folder / name,
            policy={"dtype": "float32"},
            optim={"updates": 2, "minibatches": 1},
        )
        for name in ("alone", "shared")
    )
    train_and_keep_gradients(alone, folder / "alone.safetensors")
    settings = folder / "shared.toml"
    settings.write_text(tomli_w.dumps(config_dict(shared)))
    # The launcher finds a port itself, and keeps it.
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    ended = subprocess.run(
        [sys.executable, *launch, __file__, str(settings), str(folder)],
        env={**os.environ, "ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return folder


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_two_processes_measure_what_one_does(runs):
    alone, shared = (lines(runs / name / "metrics.jsonl") for name in ("alone", "shared"))
    assert len(alone) == len(shared) == 2
    for ours, theirs in zip(shared, alone, strict=True):
        assert [ours[key] for key in COMPARED] == pytest.approx(
            [theirs[key] for key in COMPARED], rel=1e-4, abs=1e-7
        )
    alone, shared = (lines(runs / name / "evaluations.jsonl") for name in ("alone", "shared"))
    assert [line["overall"]["success"] for line in shared] == [
        line["overall"]["success"] for line in alone
    ]


@pytest.mark.parametrize("rank", [0, 1])
def test_each_process_has_the_gradients_of_one(runs, rank):
    alone, shared = (load_file(runs / f"{name}.safetensors") for name in ("alone", rank))
    assert alone.keys() == shared.keys()
    for name, gradient in alone.items():
        torch.testing.assert_close(shared[name], gradient, rtol=1e-4, atol=1e-6)
    assert any(gradient.abs().max() > 1e-3 for gradient in alone.values())


def test_two_processes_end_with_the_weights_of_one(runs):
    alone, shared = (
        load_file(runs / name / "model" / "model.safetensors") for name in ("alone", "shared")
    )
    for name, weight in alone.items():
        torch.testing.assert_close(shared[name], weight, rtol=0, atol=1e-5)


if __name__ == "__main__":
    torch.set_num_threads(1)
    register()
    settings, folder = map(Path, sys.argv[1:])
    train_and_keep_gradients(load_config(settings), folder / f"{os.environ['RANK']}.safetensors")
