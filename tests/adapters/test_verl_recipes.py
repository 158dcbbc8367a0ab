"""Every key of the recipes is one that verl knows, and says what the paper says."""

import os
import subprocess
from pathlib import Path

import pytest

pytest.importorskip("verl", reason="verl is not installed: uv sync --extra verl")

from omegaconf import OmegaConf
from verl.trainer.ppo.utils import need_critic, need_reference_policy
from verl.utils.config import validate_config
from verl_run import verl_config

from proxmo.adapters.verl.settings import read_settings

RECIPES = Path(__file__).parents[2] / "examples" / "verl"


def overrides(recipe, *more, **environment):
    """What the recipe hands to verl: it is run with `echo` in place of Python."""
    ended = subprocess.run(
        ["bash", RECIPES / recipe, *more],
        env={"PATH": os.environ["PATH"], "PYTHON": "echo"} | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    _, module, *given = ended.stdout.splitlines()[-1].split()
    assert module == "verl.trainer.main_ppo"
    return given


@pytest.mark.parametrize(
    ("recipe", "steps", "prompt"), [("alfworld.sh", 50, 2048), ("webshop.sh", 15, 4096)]
)
@pytest.mark.parametrize(
    "machine",
    [
        {},
        {"MODEL": "Qwen/Qwen2.5-7B-Instruct", "GPUS": "4"},
    ],
)
def test_a_recipe_is_a_configuration_that_verl_accepts(recipe, steps, prompt, machine):
    config = verl_config(*overrides(recipe, **machine))
    OmegaConf.resolve(config)
    validate_config(
        config=config,
        use_reference_policy=need_reference_policy(config),
        use_critic=need_critic(config),
    )
    actor, rollout = config.actor_rollout_ref.actor, config.actor_rollout_ref.rollout
    assert (config.data.train_batch_size, rollout.n) == (16, 8)
    assert (actor.optim.lr, actor.use_kl_loss, actor.kl_loss_coef) == (1e-6, True, 0.01)
    assert (rollout.prompt_length, rollout.response_length) == (prompt, 512)
    assert config.actor_rollout_ref.model.path == machine.get("MODEL", "Qwen/Qwen2.5-1.5B-Instruct")
    settings = read_settings(config)
    assert (settings.max_steps, settings.history, settings.style) == (steps, 2, "think")
    assert dict(settings.credit) == {
        "gamma": 0.95,
        "alpha": 4,
        "modulation": 0.05,
        "temperature": 0.1,
    }


def test_further_arguments_reach_verl():
    assert overrides("alfworld.sh", "trainer.save_freq=7")[-1] == "trainer.save_freq=7"
