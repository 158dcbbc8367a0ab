"""The real SkyRL on CPU: its generator, its trainer's batch and advantages, our environment."""

import asyncio
import re
import shlex
from pathlib import Path
from types import SimpleNamespace

import pytest

pytest.importorskip("skyrl", reason="skyrl is not installed: uv sync --extra skyrl")

import pyarrow.parquet
import torch
from byte_tokenizer import OPENS, byte_tokenizer
from new_method import Twice
from skyrl.train.config import SkyRLTrainConfig
from skyrl.train.evaluate import evaluate
from skyrl.train.generators.utils import prepare_generator_input
from skyrl.train.utils import validate_cfg
from toy_env import COLOURS, Script, register_toy

import proxmo
from proxmo import cli
from proxmo.adapters.columns import COLUMN, row_column
from proxmo.adapters.failures import credit_played
from proxmo.adapters.methods import estimator_of
from proxmo.adapters.skyrl.columns import collect_turns
from proxmo.adapters.skyrl.data import main, skyrl_rows
from proxmo.adapters.skyrl.environment import register_environment
from proxmo.adapters.skyrl.trainer import ProxMOGenerator, ProxMOSkyRLTrainer, check_config
from proxmo.adapters.tasks import place_tasks
from proxmo.envs.noise import quiet
from proxmo.errors import InputError, ProxmoError, ProxmoWarning
from proxmo.types import Step

register_toy()
register_environment()


class ScriptedEngine:
    """Stands for the inference engines."""

    def __init__(self, tokenizer, actions):
        self.tokenizer, self.script = tokenizer, Script(actions)

    async def generate(self, engine_input, model=None):
        await asyncio.sleep(0)
        [prompt_ids] = engine_input["prompt_token_ids"]
        said = self.script.say(self.tokenizer.decode(prompt_ids))
        ids = [*self.tokenizer(said)["input_ids"], self.tokenizer.eos_token_id]
        return {
            "responses": [said],
            "response_ids": [ids],
            "stop_reasons": ["stop"],
            "response_logprobs": [[-0.5] * len(ids)],
        }

    async def finish_session(self, session_id):
        pass


def config(*overrides):
    return SkyRLTrainConfig.from_cli_overrides(
        [
            "generator.step_wise_trajectories=true",
            "generator.batched=false",
            "generator.n_samples_per_prompt=4",
            "generator.max_input_length=2000",
            "trainer.train_batch_size=2",
            "trainer.policy_mini_batch_size=2",
            "trainer.algorithm.advantage_estimator=grpo",
            *overrides,
        ]
    )


def generator_of(cfg, tokenizer, actions):
    return ProxMOGenerator(
        generator_cfg=cfg.generator,
        skyrl_gym_cfg=cfg.environment.skyrl_gym,
        inference_engine_client=ScriptedEngine(tokenizer, actions),
        tokenizer=tokenizer,
        policy_model_name="toy",
    )


def prompts_of(rows):
    return [
        {
            "prompt": row["prompt"],
            "env_class": row["env_class"],
            "uid": f"u{number}",
            "env_extras": {"proxmo": row["proxmo"], "data_source": row["data_source"]},
        }
        for number, row in enumerate(rows)
    ]


def generate(cfg, tokenizer, rows, actions):
    generator = generator_of(cfg, tokenizer, actions)
    given, _ = prepare_generator_input(
        prompts_of(rows), cfg.generator.n_samples_per_prompt, {"logprobs": 1}, "proxmo", "train", 1
    )
    output = asyncio.run(generator.generate(given))
    return output, [trajectory.instance_id for trajectory in output["trajectory_ids"]]


def trainer_of(cfg, tokenizer, ranks=1, credit=None):
    """The trainer without what needs GPUs: workers, engines, data loader."""
    trainer = ProxMOSkyRLTrainer.__new__(ProxMOSkyRLTrainer)
    trainer.cfg, trainer.tokenizer, trainer.all_metrics = cfg, tokenizer, {}
    trainer.credit, trainer._turns = estimator_of(credit), None
    trainer.dispatch = SimpleNamespace(get_lcm_dp_size=lambda: ranks)
    return trainer


def played(split="train", actions=(*COLOURS, "nonsense"), ranks=1, credit=None, count=2):
    cfg, tokenizer = config(), byte_tokenizer()
    rows = skyrl_rows(place_tasks("colours", split, count=count), style="compact", max_steps=3)
    output, uids = generate(cfg, tokenizer, rows, list(actions))
    trainer = trainer_of(cfg, tokenizer, ranks, credit)
    output, uids = trainer.postprocess_generator_output(output, uids)
    data = trainer.convert_to_training_input(output, uids)
    data["values"] = None
    return trainer, output, uids, trainer.compute_advantages_and_returns(data)


def test_the_members_of_a_group_meet_different_noise():
    cfg, tokenizer = config(), byte_tokenizer()
    places = place_tasks("colours", "train", count=2)
    rows = skyrl_rows(places, style="compact", max_steps=3, noise=1.0)
    output, _ = generate(cfg, tokenizer, rows, list(COLOURS))
    seen = [metrics[COLUMN]["observation"] for metrics in output["env_metrics"]]
    assert len(set(seen)) == len(seen) >= 8
    assert all(quiet(text) != text for text in seen)
    with pytest.raises(InputError, match="noise is 2"):
        skyrl_rows(places, noise=2.0)


@pytest.mark.parametrize("method", ["proxmo", "gigpo"])
def test_every_turn_is_credited_as_by_hand(method):
    trainer, output, uids, data = played(credit=proxmo.make(method), ranks=7)
    rows = [metrics[COLUMN] for metrics in output["env_metrics"]]
    trajectory, number = [], 0
    for last in output["is_last_step"]:
        trajectory.append(number)
        number += last
    assert number == 8
    expected = proxmo.make(method)(
        proxmo.Steps(
            group=uids,
            trajectory=trajectory,
            step=range(len(rows)),
            **{
                name: [row[name] for row in rows]
                for name in ("observation", "reward", "success", "valid")
            },
        )
    ).advantage
    assert len({round(value, 6) for value in expected}) > 2
    real = len(rows)
    wanted = torch.tensor(expected)[:, None] * data["response_mask"][:real]
    torch.testing.assert_close(
        data["advantages"][:real].double(), wanted.double(), rtol=1e-6, atol=1e-6
    )
    assert len(data["advantages"]) > real  # padded for the ranks
    assert data["advantages"][real:].abs().sum() == 0
    assert torch.equal(data["returns"], data["advantages"])
    used = data["advantages"][:real][data["response_mask"][:real].bool()]
    assert trainer.all_metrics["loss/avg_raw_advantages"] == pytest.approx(used.mean().item())
    assert 0 < trainer.all_metrics["credit/success_rate"] < 1


def test_rows_tell_the_observation_the_reward_and_the_success():
    _, output, uids, _ = played(actions=["nonsense"])
    rows = [metrics[COLUMN] for metrics in output["env_metrics"]]
    assert len(rows) == 2 * 4 * 3
    assert rows[0]["observation"].startswith("room 00: say ")
    assert rows[1]["observation"].startswith("nonsense? say ")
    assert not any(row["success"] or row["valid"] or row["reward"] for row in rows)
    starts = {
        (uid, row["observation"])
        for uid, row in zip(uids, rows, strict=True)
        if row["observation"].startswith("room")
    }
    assert len(starts) == 2  # one per group: its members start alike


def test_what_an_environment_that_broke_did_is_not_the_policys(caplog):
    cfg = config("trainer.train_batch_size=3", "trainer.policy_mini_batch_size=3")
    tokenizer = byte_tokenizer()
    places = [
        place_tasks("colours", split, count=1)[0] for split in ("train", "breaking", "broken")
    ]
    rows = skyrl_rows(places, style="compact", max_steps=3)
    output, uids = generate(cfg, tokenizer, rows, [*COLOURS, "nonsense"])
    trainer = trainer_of(cfg, tokenizer)
    output, uids = trainer.postprocess_generator_output(output, uids)
    data = trainer.convert_to_training_input(output, uids)
    data["values"] = None
    data = trainer.compute_advantages_and_returns(data)
    columns = [metrics[COLUMN] for metrics in output["env_metrics"]]
    failed = torch.tensor([column["error"] is not None for column in columns])
    assert {uid for uid, one in zip(uids, failed, strict=True) if one} == {"u1", "u2"}
    lost = sum(a and b for a, b in zip(failed.tolist(), output["is_last_step"], strict=True))
    real = len(failed)
    assert data["loss_mask"][:real][failed].sum() == 0
    assert data["advantages"][:real][failed].abs().sum() == 0
    assert data["loss_mask"][:real][~failed].any(dim=1).all()
    assert trainer.all_metrics["rollout/errors"] == lost
    assert f"{lost} of 12 episodes" in caplog.text
    # SkyRL's own means are over the others.
    whole = [i for i in range(real) if output["is_last_step"][i] and not failed[i]]
    totals = [sum(output["rewards"][i]) for i in whole]
    assert trainer.all_metrics["reward/avg_raw_reward"] == pytest.approx(sum(totals) / len(totals))
    told = output["rollout_metrics"]
    assert told["environment/failed"] == pytest.approx(lost / 12)
    successes = [columns[i]["success"] for i in whole]
    assert told["environment/success"] == pytest.approx(sum(successes) / len(successes))


def test_an_evaluation_is_of_the_episodes_whose_environment_did_not_fail(caplog):
    cfg, tokenizer = config("generator.eval_n_samples_per_prompt=4"), byte_tokenizer()
    cfg.trainer.dump_eval_results = False
    places = [place_tasks("colours", split, count=1)[0] for split in ("train", "breaking")]
    rows = skyrl_rows(places, style="compact", max_steps=3)
    generator = generator_of(cfg, tokenizer, [*COLOURS, "nonsense"])
    told = asyncio.run(evaluate([prompts_of(rows)], generator, cfg, 1, tokenizer))
    # The same episodes, as training sees them: with those that failed.
    output, _ = generate(cfg, tokenizer, rows, [*COLOURS, "nonsense"])
    ends = [i for i, last in enumerate(output["is_last_step"]) if last]
    errors = [output["env_metrics"][i][COLUMN]["error"] for i in ends]
    paid = [sum(output["rewards"][i]) for i in ends]
    whole = [reward for reward, error in zip(paid, errors, strict=True) if error is None]
    assert 0 < len(whole) < len(paid) == 8
    assert told["eval/all/avg_score"] == pytest.approx(sum(whole) / len(whole))
    assert f"{8 - len(whole)} of 8 episodes" in caplog.text


def test_an_evaluation_in_which_every_environment_breaks_is_an_error():
    cfg, tokenizer = config(), byte_tokenizer()
    rows = skyrl_rows(place_tasks("colours", "broken", count=1), style="compact", max_steps=3)
    generator = generator_of(cfg, tokenizer, COLOURS)
    with pytest.raises(ProxmoError, match=r"every episode .* OSError: no such room"):
        asyncio.run(evaluate([prompts_of(rows)], generator, cfg, 1, tokenizer))


@pytest.mark.parametrize("thinking", [True, False])
def test_a_thought_that_the_template_began_is_judged_with_it(thinking):
    cfg, tokenizer = config(), byte_tokenizer(OPENS)
    cfg.generator.chat_template_kwargs = {"enable_thinking": thinking}
    said = "so</think><action>{}</action>" if thinking else "<action>{}</action>"
    rows = skyrl_rows(place_tasks("colours", "train", count=1), max_steps=2)
    output, _ = generate(cfg, tokenizer, rows, [said.format(colour) for colour in COLOURS])
    assert all(metrics[COLUMN]["valid"] for metrics in output["env_metrics"])
    assert tokenizer.decode(output["prompt_token_ids"][0]).endswith(
        "<think>\n" if thinking else "</think>\n\n"
    )


def test_tasks_are_written_in_every_style_that_their_environment_has(tmp_path, capsys):
    out = tmp_path / "tasks.parquet"
    for style in ("think", "compact", "numbered"):
        told = ["--split", "train", "--style", style, "--out", str(out)]
        assert main(["--env", "spelt", *told]) == 0
        rows = pyarrow.parquet.read_table(out).to_pylist()
        assert {row["proxmo"]["style"] for row in rows} == {style}
    with pytest.raises(SystemExit):
        main(["--env", "colours", *told])
    assert "'numbered' needs an environment that has a codec" in capsys.readouterr().err


def test_a_codec_that_breaks_costs_its_episode_only():
    cfg, tokenizer = config(), byte_tokenizer()
    rows = skyrl_rows(place_tasks("spelt", "train", count=1), style="numbered", max_steps=3)
    output, _ = generate(cfg, tokenizer, rows, ["RED", "BLUE", "GREEN", "nonsense"])
    assert "ROOM 00: SAY" in tokenizer.decode(output["prompt_token_ids"][0])
    columns = [metrics[COLUMN] for metrics in output["env_metrics"]]
    errors = {column["error"] for column in columns} - {None}
    assert errors <= {"LookupError: no such word", "LookupError: no such colour"}
    assert errors
    assert all(column["valid"] for column in columns if column["error"] is not None)
    for column, mask in zip(columns, output["loss_masks"], strict=True):
        assert any(mask) == (column["error"] is None)


def test_a_codec_that_breaks_at_the_first_text_costs_its_episode_only():
    cfg, tokenizer = config(), byte_tokenizer()
    [(task, place)] = place_tasks("spelt", "marked", count=1)
    output, _ = generate(
        cfg, tokenizer, skyrl_rows([(task, place)], style="numbered", max_steps=3), ["RED"]
    )
    assert {m[COLUMN]["error"] for m in output["env_metrics"]} == {"LookupError: no such mark"}
    assert len(output["rewards"]) == 4  # SkyRL asks for one response all the same


def test_a_method_of_the_users_own_needs_its_name_only(monkeypatch):
    monkeypatch.setitem(proxmo.CREDIT, "twice", Twice)
    trainer, output, _, data = played(credit="twice")
    assert trainer.credit == Twice()
    rewards = [metrics[COLUMN]["reward"] for metrics in output["env_metrics"]]
    wanted = 1 + 2.0 * torch.tensor(rewards)[:, None] * data["response_mask"]
    wanted = wanted * data["response_mask"]
    torch.testing.assert_close(data["advantages"].double(), wanted.double())


def test_a_group_with_one_episode_left_is_not_trained_on():
    turns = collect_turns(
        ["a", "a", "a"],
        [False, True, True],
        [
            {COLUMN: row_column(Step("o", "", "", "", 1.0, True), True)},
            {COLUMN: row_column(Step("p", "", "", "", 2.0, True), True)},
            {COLUMN: row_column(Step("o", "", "", "", 0.0, True), False, "OSError: gone")},
        ],
    )
    result = credit_played(proxmo.ProxMO(), turns.columns, turns.errors)
    assert result.advantage.tolist() == [0.0, 0.0, 0.0]


def test_a_batch_in_which_every_environment_breaks_stops_training():
    with pytest.raises(ProxmoError, match=r"every episode .* OSError: no such room"):
        played(split="broken")


def test_a_conversation_that_grows_too_long_is_credited_as_far_as_it_came():
    cfg, tokenizer = config("generator.max_input_length=60"), byte_tokenizer()
    rows = skyrl_rows(place_tasks("colours", "train", count=2), style="compact", max_steps=3)
    output, uids = generate(cfg, tokenizer, rows, ["nonsense"])
    assert 8 <= len(uids) < 24
    trainer_of(cfg, tokenizer).postprocess_generator_output(output, uids)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("generator.step_wise_trajectories=false", "needs generator.step_wise_trajectories=true"),
        ("generator.merge_stepwise_output=true", "needs generator.merge_stepwise_output=false"),
        ("trainer.algorithm.use_kl_in_reward=true", "use_kl_in_reward=false"),
    ],
)
def test_a_wrong_configuration_is_refused(override, message):
    with pytest.raises(InputError, match=message):
        check_config(config(override))


def test_groups_of_one_are_warned_of():
    with pytest.warns(ProxmoWarning, match="n_samples_per_prompt is 1"):
        check_config(config("generator.n_samples_per_prompt=1"))


def test_rows_of_another_environment_are_refused():
    trainer = trainer_of(config(), byte_tokenizer())
    with pytest.raises(InputError, match="env_class=proxmo"):
        trainer.postprocess_generator_output({"is_last_step": [True], "env_metrics": [{}]}, ["u0"])


def test_dynamic_sampling_is_refused():
    with pytest.raises(InputError, match="takes the turns of a trajectory for trajectories"):
        check_config(config("trainer.algorithm.dynamic_sampling.type=filter"))


def test_an_episode_whose_first_prompt_is_too_long_is_not_lost_without_a_word():
    cfg, tokenizer = config("generator.max_input_length=20"), byte_tokenizer()
    rows = skyrl_rows(place_tasks("colours", "train", count=1), style="compact", max_steps=3)
    with pytest.raises(InputError, match=r"longer than generator\.max_input_length"):
        generate(cfg, tokenizer, rows, list(COLOURS))


def test_the_command_of_the_docs_is_one_that_skyrl_accepts(monkeypatch):
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    page = (Path(__file__).parents[2] / "docs" / "adapters_skyrl.md").read_text()
    [command] = re.findall(r"python -m proxmo\.adapters\.skyrl\.main (.*?)\n```", page, re.DOTALL)
    cfg = SkyRLTrainConfig.from_cli_overrides(shlex.split(command.replace("\\\n", " ")))
    check_config(cfg)
    validate_cfg(cfg)
    written = re.findall(r"--out (\S+)", page)
    assert [*cfg.data.train_data, *cfg.data.val_data] == written


def test_the_doctor_finds_all_well(capsys):
    assert cli.main(["doctor", "skyrl"]) == 0
    assert "BAD" not in capsys.readouterr().out


@pytest.mark.parametrize("name", ["alfworld", "webshop"])
def test_the_environments_of_proxmo_are_played(name):
    cfg, tokenizer = config("generator.max_input_length=100000"), byte_tokenizer()
    rows = skyrl_rows(place_tasks(name, "train", count=1), max_steps=2)
    output, uids = generate(cfg, tokenizer, rows, ["<action>look</action>"])
    assert len(uids) == 4 * 2
    columns = [metrics[COLUMN] for metrics in output["env_metrics"]]
    assert all(column["observation"] for column in columns)
    trainer_of(cfg, tokenizer).postprocess_generator_output(output, uids)
