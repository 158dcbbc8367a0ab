"""Rows through the real verl, Ray and TransferQueue, and what their credit comes to."""

import os

import numpy as np
import pytest

pytest.importorskip("verl", reason="verl is not installed: uv sync --extra verl")

import ray
import torch
import transfer_queue as tq
from byte_tokenizer import OPENS, byte_tokenizer
from toy_env import COLOURS, register_toy
from transformers import Qwen2Config
from verl_run import cpu_overrides, credit, play, sample, trainer_of, verl_config

import proxmo
from proxmo import cli
from proxmo.adapters.tasks import place_tasks
from proxmo.adapters.verl.data import verl_rows
from proxmo.errors import InputError, ProxmoError, ProxmoWarning


def model_folder(folder, tokenizer):
    """A folder with a tiny model's configuration and a tokenizer of bytes; no weights."""
    tokenizer.save_pretrained(folder)
    config = Qwen2Config(
        vocab_size=len(tokenizer),
        hidden_size=8,
        intermediate_size=8,
        num_hidden_layers=1,
        num_attention_heads=1,
        num_key_value_heads=1,
        architectures=["Qwen2ForCausalLM"],
    )
    config.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return model_folder(tmp_path_factory.mktemp("model"), byte_tokenizer())


@pytest.fixture(scope="module")
def queue(model):
    """Ray and a TransferQueue, with one storage unit: the defaults hang on two cores."""
    register_toy()
    os.environ["RAY_ENABLE_UV_RUN_RUNTIME_ENV"] = "0"
    ray.init(num_cpus=16, include_dashboard=False, log_to_driver=False)
    config = verl_config(*cpu_overrides(model), "transfer_queue.enable=True")
    tq.init(config.transfer_queue)
    yield
    tq.close()
    ray.shutdown()


SETTINGS = ("+proxmo.style=compact", "+proxmo.max_steps=3", "+proxmo.seed=5")


def fetched(batch, *fields):
    data = tq.kv_batch_get(
        keys=batch.keys, partition_id=batch.partition_id, select_fields=list(fields)
    )
    return [data.pop(field) for field in fields]


def clear(batch):
    tq.kv_clear(keys=batch.keys, partition_id=batch.partition_id)


def by_hand(batch, extra_fields, method):
    """Credit worked out from the stored rows, independent of the adapter's own reading."""
    rows = [
        (key.rsplit("_", 2), fields["proxmo"])
        for key, tag, fields in zip(batch.keys, batch.tags, extra_fields, strict=True)
        if not tag.get("is_padding")
    ]
    rows.sort(key=lambda row: (row[0][0], int(row[0][1]), int(row[0][2])))
    steps = proxmo.Steps(
        group=[place[0] for place, _ in rows],
        trajectory=["/".join(place[:2]) for place, _ in rows],
        step=[int(place[2]) for place, _ in rows],
        observation=[column["observation"] for _, column in rows],
        reward=[column["reward"] for _, column in rows],
        success=[column["success"] for _, column in rows],
        valid=[column["valid"] for _, column in rows],
    )
    advantages = proxmo.make(method)(steps).advantage
    return {"_".join(place): a for (place, _), a in zip(rows, advantages, strict=True)}


@pytest.mark.parametrize("method", ["proxmo", "gigpo"])
def test_rows_come_back_credited_as_by_hand(queue, model, method):
    # Mini-batches of 2 x 13 rows: more than 2 x 4 episodes of 3 turns, so some are padding.
    overrides = [*SETTINGS, f"+proxmo.method={method}", "actor_rollout_ref.rollout.n=13"]
    config = verl_config(*cpu_overrides(model), *overrides)
    worker = play(
        config, [*COLOURS, "nonsense"], verl_rows(place_tasks("colours", "train", count=2)), n=4
    )
    trainer = trainer_of(config, worker.tokenizer)
    batch = sample(trainer, groups=2)
    played = len(batch)
    batch = trainer._balance_batch(batch, metrics={})
    assert len(batch) == 26 > played
    batch.reorder(np.random.default_rng(1).permutation(len(batch)).tolist())

    metrics = credit(trainer, batch)

    extra, mask, advantages, returns = fetched(
        batch, "extra_fields", "response_mask", "advantages", "returns"
    )
    expected = by_hand(batch, extra.tolist(), method)
    assert len(expected) == played
    assert len({round(value, 6) for value in expected.values()}) > 2
    for row, key in enumerate(batch.keys):
        wanted = expected.get(key, 0.0) * mask[row].double()
        torch.testing.assert_close(advantages[row].double(), wanted, rtol=1e-6, atol=1e-6)
        assert torch.equal(advantages[row], returns[row])
    assert 0 < metrics["credit/success_rate"] < 1
    clear(batch)


def test_a_row_holds_the_window_prompt_and_the_sampled_tokens(queue, model):
    config = verl_config(*cpu_overrides(model, *SETTINGS))
    worker = play(config, ["nonsense"], verl_rows(place_tasks("colours", "train", count=1)), n=1)
    batch = sample(trainer_of(config, worker.tokenizer), groups=1)
    assert [key.rsplit("_", 1)[1] for key in batch.keys] == ["0", "1", "2"]
    prompts, responses, mask, rewards = fetched(
        batch, "prompts", "responses", "response_mask", "rm_scores"
    )
    assert "> nonsense\n" in worker.tokenizer.decode(prompts[1])
    assert worker.tokenizer.decode(prompts[2]).count("> nonsense\n") == 2
    assert all(worker.tokenizer.decode(row) == "nonsense<eos>" for row in responses)
    assert all(row.all() for row in mask)
    assert all(row.sum() == 0 for row in rewards)
    clear(batch)


@pytest.mark.parametrize("name", ["alfworld", "webshop"])
def test_the_environments_of_proxmo_are_played(queue, model, name):
    overrides = ["+proxmo.max_steps=2", "data.max_prompt_length=100000"]
    config = verl_config(*cpu_overrides(model, *overrides))
    worker = play(config, ["look"], verl_rows(place_tasks(name, "train", count=1)))
    trainer = trainer_of(config, worker.tokenizer)
    batch = sample(trainer, groups=1)
    assert len(batch) == 4 * 2
    credit(trainer, batch)
    extra, advantages = fetched(batch, "extra_fields", "advantages")
    assert all(fields["proxmo"]["observation"] for fields in extra.tolist())
    assert all(row.isfinite().all() for row in advantages)
    clear(batch)


def test_what_an_environment_that_broke_did_is_not_the_policys(queue, model, caplog):
    config = verl_config(*cpu_overrides(model), *SETTINGS)
    splits = ("broken", "breaking", "train")
    rows = verl_rows([place for s in splits for place in place_tasks("colours", s, count=1)])
    worker = play(config, [*COLOURS, "nonsense"], rows)
    trainer = trainer_of(config, worker.tokenizer)
    batch = sample(trainer, groups=3)
    metrics = credit(trainer, batch)
    mask, advantages, extra = fetched(batch, "response_mask", "advantages", "extra_fields")
    extra = extra.tolist()
    failed = [row for row, fields in enumerate(extra) if fields["proxmo"]["error"] is not None]
    sessions = {batch.keys[row].rsplit("_", 1)[0] for row in failed}
    assert 4 < len(sessions) == metrics["rollout/errors"] < 12
    assert all(mask[row].sum() == 0 for row in failed)
    assert all(advantages[row].sum() == 0 for row in failed)
    whole = [row for row in range(len(batch)) if row not in failed]
    assert all(mask[row].all() for row in whole)
    assert any(advantages[row].any() for row in whole)
    # verl reports success of the others, and how many are missing.
    assert all("acc" not in extra[row]["reward_extra_info"] for row in failed)
    assert all("acc" in extra[row]["reward_extra_info"] for row in whole)
    assert f"{len(sessions)} of 12 episodes ended in an error" in caplog.text
    # verl's own metrics read the ages of the weights from every row.
    assert all(tag["min_global_steps"] == 0 for tag in batch.tags)
    clear(batch)


def test_a_batch_in_which_every_environment_breaks_stops_training(queue, model):
    config = verl_config(*cpu_overrides(model, *SETTINGS))
    worker = play(config, COLOURS, verl_rows(place_tasks("colours", "broken", count=1)))
    trainer = trainer_of(config, worker.tokenizer)
    batch = sample(trainer, groups=1)
    with pytest.raises(ProxmoError, match=r"every episode .* OSError: no such room"):
        credit(trainer, batch)
    clear(batch)


@pytest.mark.parametrize(
    ("thinking", "said", "opened"),
    [
        (True, "so</think><action>{}</action>", "<think>\n"),
        (False, "<action>{}</action>", "<think>\n\n</think>\n\n"),
    ],
)
def test_a_thought_that_the_template_began_is_judged_with_it(
    queue, tmp_path, thinking, said, opened
):
    model = model_folder(tmp_path, byte_tokenizer(OPENS))
    overrides = [
        "+proxmo.max_steps=2",
        "data.max_prompt_length=2000",
        "data.max_response_length=64",
        f"+data.apply_chat_template_kwargs.enable_thinking={thinking}",
    ]
    config = verl_config(*cpu_overrides(model, *overrides))
    answers = [said.format(colour) for colour in COLOURS]
    worker = play(config, answers, verl_rows(place_tasks("colours", "train", count=1)))
    batch = sample(trainer_of(config, worker.tokenizer), groups=1)
    prompts, extra = fetched(batch, "prompts", "extra_fields")
    assert all(worker.tokenizer.decode(row).endswith(f"assistant: {opened}") for row in prompts)
    assert all(fields["proxmo"]["valid"] for fields in extra.tolist())
    clear(batch)


def test_a_prompt_too_long_leaves_out_the_oldest_turns(queue, model):
    config = verl_config(*cpu_overrides(model, *SETTINGS, "data.max_prompt_length=80"))
    worker = play(config, ["nonsense"], verl_rows(place_tasks("colours", "train", count=1)), n=1)
    batch = sample(trainer_of(config, worker.tokenizer), groups=1)
    (prompts,) = fetched(batch, "prompts")
    assert len(batch) == 3
    assert all(len(row) <= 80 for row in prompts)
    assert all("say " in worker.tokenizer.decode(row) for row in prompts)
    clear(batch)


def test_a_prompt_that_cannot_be_cut_to_fit_ends_the_episode(queue, model):
    config = verl_config(*cpu_overrides(model, *SETTINGS, "data.max_prompt_length=62"))
    worker = play(config, ["nonsense"], verl_rows(place_tasks("colours", "train", count=1)), n=1)
    batch = sample(trainer_of(config, worker.tokenizer), groups=1)
    (prompts,) = fetched(batch, "prompts")
    assert len(batch) == 1  # "room 00: say ..." fits, "nonsense? say ..., not that" does not
    assert all(len(row) <= 62 for row in prompts)
    clear(batch)


def test_an_observation_makes_no_marks_of_turns(queue, model):
    config = verl_config(*cpu_overrides(model, *SETTINGS))
    worker = play(config, COLOURS, verl_rows(place_tasks("colours", "marked", count=1)), n=1)
    batch = sample(trainer_of(config, worker.tokenizer), groups=1)
    (prompts,) = fetched(batch, "prompts")
    assert "<eos>" in worker.tokenizer.decode(prompts[0])  # five characters
    assert all(worker.tokenizer.eos_token_id not in row.tolist() for row in prompts)
    clear(batch)


def test_a_codec_that_breaks_costs_its_episode_only(queue, model):
    config = verl_config(*cpu_overrides(model, "+proxmo.style=numbered", "+proxmo.max_steps=3"))
    worker = play(
        config, ["RED", "BLUE", "nonsense"], verl_rows(place_tasks("spelt", "train", count=1))
    )
    batch = sample(trainer_of(config, worker.tokenizer), groups=1)
    extra, prompts = fetched(batch, "extra_fields", "prompts")
    errors = {fields["proxmo"]["error"] for fields in extra.tolist()}
    assert errors == {None, "LookupError: no such word"}
    assert "ROOM 00: SAY" in worker.tokenizer.decode(prompts[0])
    clear(batch)


def test_the_members_of_a_group_start_alike(queue, model):
    config = verl_config(*cpu_overrides(model, *SETTINGS))
    worker = play(config, COLOURS, verl_rows(place_tasks("colours", "train", count=2)))
    batch = sample(trainer_of(config, worker.tokenizer), groups=2)
    (extra,) = fetched(batch, "extra_fields")
    starts = {}
    for key, fields in zip(batch.keys, extra.tolist(), strict=True):
        uid, _, index = key.rsplit("_", 2)
        if index == "0":
            starts.setdefault(uid, set()).add(fields["proxmo"]["observation"])
    assert len(starts) == 2
    assert all(len(texts) == 1 for texts in starts.values())
    assert len(set.union(*starts.values())) == 2
    clear(batch)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("algorithm.adv_estimator=grpo", "needs algorithm.adv_estimator=proxmo"),
        ("algorithm.use_kl_in_reward=True", "use_kl_loss"),
        ("+proxmo.methd=grpo", "did you mean 'method'"),
        ("+proxmo.credit.tau=1", "no option 'tau'"),
    ],
)
def test_a_wrong_configuration_is_refused_before_a_gpu_is_taken(model, override, message):
    with pytest.raises(InputError, match=message):
        trainer_of(verl_config(*cpu_overrides(model, override)), None)


def test_groups_of_one_are_warned_of(model):
    config = verl_config(*cpu_overrides(model, "actor_rollout_ref.rollout.n=1"))
    with pytest.warns(ProxmoWarning, match=r"rollout\.n is 1"):
        trainer_of(config, None)


def test_the_estimator_under_another_trainer_says_what_is_missing():
    from verl.trainer.ppo.core_algos import get_adv_estimator_fn

    ones = torch.ones(2, 3)
    with pytest.raises(InputError, match="trainer_mode=proxmo_sync"):
        get_adv_estimator_fn("proxmo")(token_level_rewards=ones, response_mask=ones)


def test_verl_loads_the_plugin_by_itself_in_ray_workers_too(queue):
    @ray.remote
    def registered():
        import verl  # noqa: F401 (its import loads the plugins)
        from verl.experimental.agent_loop.agent_loop import _agent_loop_registry
        from verl.trainer.ppo.core_algos import ADV_ESTIMATOR_REGISTRY
        from verl.trainer.ppo.v1.trainer_base import TRAINER_REGISTRY

        return [
            "proxmo" in _agent_loop_registry,
            "proxmo" in ADV_ESTIMATOR_REGISTRY,
            "proxmo_sync" in TRAINER_REGISTRY,
        ]

    assert ray.get(registered.remote()) == [True, True, True]


def test_the_doctor_finds_all_well(capsys, monkeypatch):
    assert cli.main(["doctor", "verl"]) == 0
    told = capsys.readouterr().out
    assert "BAD" not in told
    assert "ok  trainer proxmo_sync" in told
    monkeypatch.setenv("VERL_USE_EXTERNAL_PLUGINS", "none")
    assert cli.main(["doctor", "verl"]) == 1
    assert "leaves proxmo out; unset it" in capsys.readouterr().out
