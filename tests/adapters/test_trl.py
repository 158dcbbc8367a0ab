"""TRL's real trainer on generated ALFWorld games, with credit by proxmo."""

import inspect
import json
import os
import re
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pandas
import pytest
import tiny_trl
import torch
import toy_env
from datasets import Dataset
from gymnasium.utils.env_checker import check_env
from new_method import Twice
from safetensors.torch import load_file
from trl.trainer.grpo_config import GRPOConfig
from trl.trainer.grpo_trainer import GRPOTrainer

import proxmo
from proxmo.adapters.trl import trainer as trl_trainer
from proxmo.envs import registry
from proxmo.envs.base import Task
from proxmo.envs.noise import quiet
from proxmo.errors import InputError, ProxmoError, ProxmoWarning
from proxmo.text import clean


@pytest.fixture(autouse=True)
def _one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def credited(estimator, episodes, group_size=tiny_trl.GROUP):
    """Advantages of each episode's turns, by hand: the columns, written out."""
    columns = {name: [] for name in ("group", "trajectory", "step", "observation", "reward")}
    success, valid, lengths = [], [], []
    for number, (steps, succeeded) in enumerate(episodes):
        for turn, (observation, reward, admitted) in enumerate(steps):
            row = (number // group_size, number, turn, observation, reward)
            for name, value in zip(columns, row, strict=True):
                columns[name].append(value)
            success.append(succeeded)
            valid.append(admitted)
        lengths.append(len(steps))
    advantage = estimator(proxmo.Steps(**columns, success=success, valid=valid)).advantage
    return np.split(advantage, np.cumsum(lengths)[:-1])


def spread(advantages, turns, mask, width):
    """(rows, width): each turn's advantage on its tokens, zero elsewhere."""
    expected = np.zeros((len(mask), width))
    for line, values, lengths, sampled in zip(expected, advantages, turns, mask, strict=True):
        tokens = [value for value, n in zip(values, lengths, strict=True) for _ in range(n)]
        for position, one in enumerate(sampled):
            if one:
                line[position] = tokens.pop(0)
        assert tokens == []
    return expected


def record(played):
    return [(s.observation, s.reward, s.valid) for s in played.steps], played.success


def same(a, b):
    return all(torch.equal(x, y) for x, y in zip(a.values(), b.values(), strict=True))


def test_the_loss_types_tried_here_are_all_that_trl_offers():
    source = inspect.getsource(GRPOTrainer._compute_loss)
    branches = re.findall(r"self.loss_type (?:==|in) (.*):", source)
    assert set(re.findall(r'"(\w+)"', " ".join(branches))) == set(tiny_trl.LOSSES)


@pytest.mark.parametrize("loss_type", tiny_trl.LOSSES)
def test_every_loss_type_trains_on_the_advantages_of_proxmo(loss_type, tmp_path):
    options = {"loss_type": loss_type}
    trainer = tiny_trl.trainer(tmp_path, options=options, **tiny_trl.PLAYED)
    before = {name: p.clone() for name, p in trainer.model.state_dict().items()}
    trainer.train()
    assert not same(before, trainer.model.state_dict())
    assert all(torch.isfinite(p).all() for p in trainer.model.parameters())
    assert len(trainer.batches) == 2
    for (episodes, rows, output, _), (_, inputs) in zip(trainer.batches, trainer.seen, strict=True):
        by_hand = credited(proxmo.ProxMO(), [record(played) for played in episodes])
        expected = spread(
            by_hand, [r.turns for r in rows], [r.mask for r in rows], output["advantages"].shape[1]
        )
        assert np.abs(expected).max() > 0.1
        np.testing.assert_allclose(output["advantages"], expected, atol=1e-6)
        # Shuffled on the way to the loss, rows and advantages alike.
        arrived = {
            tuple(i): a for i, a in zip_lists(inputs["completion_ids"], inputs["advantages"])
        }
        for ids, advantages in zip_lists(output["completion_ids"], output["advantages"]):
            assert arrived[tuple(ids)] == advantages
        assert torch.equal(inputs["advantages"] != 0, (inputs["advantages"] != 0) & mask(inputs))


def zip_lists(a, b):
    return zip(a.tolist(), b.tolist(), strict=True)


def mask(inputs):
    return (inputs["completion_mask"] * inputs["tool_mask"]).bool()


@pytest.mark.parametrize("scale", ["group", "batch", "none"])
def test_grpo_gives_the_advantages_of_trl_itself(scale, tmp_path, monkeypatch):
    own = []
    scored = GRPOTrainer._generate_and_score_completions

    def keep(self, inputs):
        output = scored(self, inputs)
        own.append((output["advantages"].clone(), list(self._logs["advantages"])))
        return output

    monkeypatch.setattr(GRPOTrainer, "_generate_and_score_completions", keep)

    options = {"scale_rewards": scale, "reward_weights": [0.5, 2.0], "max_steps": 1}
    trainer = tiny_trl.trainer(
        tmp_path, credit="grpo", options=options, reward_funcs=tiny_trl.brevity, **tiny_trl.PLAYED
    )
    trainer.train()
    (of_trl, logged_by_trl), *_ = own
    ours, sampled = trainer.batches[0][2]["advantages"], mask(trainer.batches[0][2])
    assert of_trl.abs().max() > 0.1
    np.testing.assert_allclose(ours, of_trl[:, None] * sampled, atol=1e-6)
    np.testing.assert_allclose(list(trainer._logs["advantages"]), logged_by_trl, atol=1e-6)


def test_a_method_of_the_users_own_needs_its_name_only(tmp_path, monkeypatch):
    monkeypatch.setitem(proxmo.CREDIT, "twice", Twice)
    trainer = tiny_trl.trainer(
        tmp_path, credit="twice", options={"max_steps": 1}, **tiny_trl.PLAYED
    )
    trainer.train()
    episodes, rows, output, _ = trainer.batches[0]
    turns = [row.turns for row in rows]
    worth = [[1 + 2.0 * step.reward for step in played.steps] for played in episodes]
    expected = spread(worth, turns, [row.mask for row in rows], output["advantages"].shape[1])
    np.testing.assert_allclose(output["advantages"], expected, atol=1e-6)


def test_logged_advantages_are_the_real_ones(tmp_path):
    options = {"log_completions": True, "num_completions_to_print": 0, "max_steps": 1}
    trainer = tiny_trl.trainer(tmp_path, options=options, **tiny_trl.PLAYED)
    trainer.train()
    episodes, rows, output, _ = trainer.batches[0]
    table = pandas.read_parquet(next((tmp_path / "completions").glob("*.parquet")))
    by_hand = credited(proxmo.ProxMO(), [record(played) for played in episodes])
    for i, row in enumerate(table.to_dict("records")):
        tokens = output["advantages"][i][torch.tensor(rows[i].mask).nonzero()[:, 0]]
        assert row["advantage"] == pytest.approx(float(tokens.mean()), abs=1e-6)
        assert list(row["turn_advantages"]) == pytest.approx(list(by_hand[i]))
        assert row["success"] == episodes[i].success
        said = [m["content"] for m in row["completion"] if m["role"] == "assistant"]
        assert [clean(text) for text in said] == [step.response for step in episodes[i].steps]
    history = trainer.state.log_history[0]
    assert history["rollout/success_rate"] == np.mean([e.success for e in episodes])
    assert history["rollout/steps"] == tiny_trl.TURNS
    assert "credit/effective_neighbours" in history


def test_sampled_tokens_stay_as_sampled(tmp_path):
    generated = []

    class Keeping(tiny_trl.Watched):
        def _generate_single_turn(self, prompt_ids, *args, **kwargs):
            answers = super()._generate_single_turn(prompt_ids, *args, **kwargs)
            generated.extend(zip(prompt_ids, answers[0], strict=True))
            return answers

    trainer = tiny_trl.trainer(tmp_path, Keeping, options={"max_steps": 1}, **tiny_trl.PLAYED)
    trainer.train()
    for row in trainer.batches[0][1]:
        whole = row.prompt_ids + row.completion_ids
        sampled = [token for token, one in zip(row.completion_ids, row.mask, strict=True) if one]
        heard = [(p, a) for p, a in generated if whole[: len(p)] == p and len(p) < len(whole)]
        turns = [a for p, a in heard if whole[len(p) : len(p) + len(a)] == a]
        assert sampled == [token for turn in turns for token in turn]
        assert [len(turn) for turn in turns] == row.turns
        assert len(row.turns) == tiny_trl.TURNS
        assert all(n <= 5 for n in row.turns)


def test_buffered_and_accumulated_batches_keep_rows_and_advantages_together(tmp_path):
    options = {
        "per_device_train_batch_size": 2,
        "gradient_accumulation_steps": 2,
        "steps_per_generation": 4,
        "num_iterations": 2,
        "max_steps": 4,
        "pad_to_multiple_of": 8,
    }
    trainer = tiny_trl.trainer(tmp_path, options=options, **tiny_trl.PLAYED)
    trainer.train()
    assert len(trainer.batches) == 1  # 4 updates of 2 slices, from 4 slices used twice
    output = trainer.batches[0][2]
    made = {tuple(i): a for i, a in zip_lists(output["completion_ids"], output["advantages"])}
    assert len(trainer.seen) == 8
    assert output["advantages"].shape[1] % 8 == 0
    for _, inputs in trainer.seen:
        for ids, advantages in zip_lists(inputs["completion_ids"], inputs["advantages"]):
            assert made[tuple(ids)] == advantages


def test_a_resumed_run_ends_as_one_that_was_not_interrupted(tmp_path):
    options = {"save_strategy": "steps", "save_steps": 1}
    whole = tiny_trl.trainer(tmp_path / "whole", options=options, **tiny_trl.PLAYED)
    whole.train()
    again = tiny_trl.trainer(tmp_path / "again", options=options, **tiny_trl.PLAYED)
    again.train(resume_from_checkpoint=str(tmp_path / "whole" / "checkpoint-1"))
    assert len(again.batches) == 1
    ends = [
        load_file(tmp_path / n / "checkpoint-2" / "model.safetensors") for n in ("whole", "again")
    ]
    assert same(*ends)


def test_evaluation_plays_its_own_tasks_and_the_same_ones_each_time(tmp_path):
    trainer = tiny_trl.trainer(
        tmp_path, eval_tasks=tiny_trl.tasks(2, seed=9), options={"max_steps": 1}, **tiny_trl.PLAYED
    )
    figures = trainer.evaluate()
    unseen = {tiny_trl.tasks(2, seed=9)[i].id for i in range(2)}
    assert {e.task for batch in trainer.batches for e in batch[0]} == unseen
    assert figures["eval_rollout/steps"] == tiny_trl.TURNS
    assert 0 <= figures["eval_rollout/success_rate"] <= 1
    assert not any(training for training, _ in trainer.seen)
    seeds = [e.seed for batch in trainer.batches for e in batch[0]]
    trainer.batches.clear()
    trainer.evaluate()
    assert seeds == [e.seed for batch in trainer.batches for e in batch[0]]


def test_the_members_of_a_group_start_alike_and_a_later_update_differently(tmp_path):
    trainer = tiny_trl.trainer(tmp_path, tasks=tiny_trl.tasks(2), **tiny_trl.PLAYED)
    trainer.train()
    seeds = [[e.seed for e in episodes] for episodes, *_ in trainer.batches]
    for line in seeds:
        assert len(set(line[: tiny_trl.GROUP])) == len(set(line[tiny_trl.GROUP :])) == 1
    assert not set(seeds[0]) & set(seeds[1])


def test_a_conversation_ends_where_its_room_does(tmp_path):
    options = {"max_completion_length": 24, "max_steps": 1}
    trainer = tiny_trl.trainer(tmp_path, options=options, **tiny_trl.PLAYED)
    trainer.train()
    episodes, rows, *_ = trainer.batches[0]
    for played, row in zip(episodes, rows, strict=True):
        assert len(row.completion_ids) <= 24
        assert len(played.steps) == len(row.turns) < tiny_trl.TURNS
        assert row.full
        assert played.truncated
    assert trainer.state.log_history[0]["rollout/out_of_room"] == 1.0
    assert trainer.state.log_history[0]["completions/clipped_ratio"] == 1.0


class Unsteady(tiny_trl.Paying):
    """Breaks in the first task before the first observation, in the second at its second step,
    for all members of a group but the first ones."""

    members = 0
    """Of the second task, so far."""
    whole = 2
    """How many of them do not break."""

    def reset(self, *, seed=None, options=None):
        self.played, self.count = (options or {})["game"].game_id, 0
        if self.played == tiny_trl.tasks()[0].id:
            raise OSError("no such room")
        if self.played == tiny_trl.tasks()[1].id:
            Unsteady.members += 1
            self.member = Unsteady.members
        return super().reset(seed=seed, options=options)

    def step(self, action):
        self.count += 1
        if self.played == tiny_trl.tasks()[1].id and self.member > self.whole and self.count == 2:
            raise OSError("the room fell down")
        return super().step(action)


def unsteady(whole=2):
    """Makes environments; so many members of the second task's group stay whole."""
    Unsteady.members = 0
    kind = type("Kind", (Unsteady,), {"whole": whole})
    return partial(kind, max_steps=tiny_trl.TURNS)


@pytest.mark.parametrize(("whole", "credit"), [(2, "proxmo"), (1, "proxmo"), (3, "grpo")])
def test_a_broken_environment_is_no_failure_of_the_model(whole, credit, tmp_path, caplog):
    arguments = {**tiny_trl.PLAYED, "environment": unsteady(whole)}
    options = {"max_steps": 1, "per_device_train_batch_size": 16}
    trainer = tiny_trl.trainer(
        tmp_path, credit=credit, options=options, reward_funcs=tiny_trl.brevity, **arguments
    )
    before = {name: p.clone() for name, p in trainer.model.state_dict().items()}
    trainer.train()
    episodes, _, output, rewards = trainer.batches[0]
    broken = torch.tensor([played.failed for played in episodes])
    assert broken.sum() == tiny_trl.GROUP + tiny_trl.GROUP - whole
    # No token of theirs is in a loss, whatever terms it has.
    assert not output["advantages"][broken].any()
    assert not mask(output)[broken].any()
    assert mask(output)[~broken].any(dim=1).all()
    # The others of their group are as if they had been alone; one alone has nothing to learn.
    second = torch.tensor([played.task == tiny_trl.tasks()[1].id for played in episodes])
    left = output["advantages"][second & ~broken]
    assert left.any() == (whole > 1)
    totals = [float(t) for t in rewards[second & ~broken].sum(dim=1)]
    assert whole == 1 or len(set(totals)) > 1
    if credit == "grpo":
        mean, std = np.mean(totals), np.std(totals, ddof=1)
        by_hand = [(total - mean) / (std + 1e-4) for total in totals]
        firsts = [line[line != 0][0].item() for line in left]
        assert firsts == pytest.approx(by_hand, abs=1e-5)
    history = trainer.state.log_history[0]
    survivors = [played for played in episodes if not played.failed]
    assert history["rollout/errors"] == broken.sum()
    assert history["rollout/success_rate"] == np.mean([e.success for e in survivors])
    assert history["rollout/steps"] == tiny_trl.TURNS
    assert history["rollout/truncated"] == 1.0
    # TRL's own means leave them out, too.
    assert history["reward"] == pytest.approx(rewards[~broken].sum(dim=1).mean().item())
    assert rewards[broken].isnan().all()
    assert f"{broken.sum()} of 16 episodes ended in an error" in caplog.text
    assert "OSError: " in caplog.text
    assert not same(before, trainer.model.state_dict())
    assert all(torch.isfinite(p).all() for p in trainer.model.parameters())


def test_a_batch_in_which_every_environment_breaks_stops_training(tmp_path):
    arguments = {**tiny_trl.PLAYED, "environment": unsteady(), "tasks": [tiny_trl.tasks()[0]] * 4}
    trainer = tiny_trl.trainer(tmp_path, **arguments)
    with pytest.raises(ProxmoError, match=r"every episode .* OSError: no such room"):
        trainer.train()


def test_a_dataset_of_tasks_chooses_what_is_played(tmp_path):
    rows = Dataset.from_dict({"task": [2, 2]})
    trainer = tiny_trl.trainer(
        tmp_path, train_dataset=rows, options={"max_steps": 1}, **tiny_trl.PLAYED
    )
    trainer.train()
    assert {e.task for e in trainer.batches[0][0]} == {tiny_trl.tasks()[2].id}


def test_webshop_by_name_is_trained_on_with_its_own_tasks(tmp_path, monkeypatch):
    monkeypatch.setenv("PROXMO_CACHE", str(tmp_path / "cache"))
    trainer = tiny_trl.trainer(
        tmp_path,
        environment="webshop",
        tasks=None,
        max_turns=2,
        reward_funcs=tiny_trl.brevity,
        options={"max_steps": 1, "max_completion_length": 1500},
    )
    before = {name: p.clone() for name, p in trainer.model.state_dict().items()}
    trainer.train()
    episodes, _, output, _ = trainer.batches[0]
    assert [played.error for played in episodes] == [None] * 8
    assert {played.task for played in episodes} <= {
        task.id for task in registry.get("webshop").load_tasks("train")
    }
    assert all("Instruction:" in step.observation for e in episodes for step in e.steps)
    assert output["advantages"].abs().max() > 0
    assert not same(before, trainer.model.state_dict())


def test_an_environment_of_gymnasium_is_trained_on(tmp_path):
    checked = tiny_trl.Echo()
    check_env(checked, skip_render_check=True)
    trainer = tiny_trl.trainer(
        tmp_path,
        environment=tiny_trl.Echo,
        tasks=[Task(f"say-{letter}", "say", {"letter": letter}) for letter in "ao"],
        max_turns=None,
        options={"max_steps": 1},
    )
    before = {name: p.clone() for name, p in trainer.model.state_dict().items()}
    trainer.train()
    episodes, rows, output, _ = trainer.batches[0]
    assert {played.task for played in episodes} == {"say-a", "say-o"}
    assert all(len(played.steps) == tiny_trl.TURNS for played in episodes)
    assert len({step.reward for played in episodes for step in played.steps}) > 1
    by_hand = credited(proxmo.ProxMO(), [record(played) for played in episodes])
    expected = spread(
        by_hand, [r.turns for r in rows], [r.mask for r in rows], output["advantages"].shape[1]
    )
    assert np.abs(expected).max() > 0.1
    np.testing.assert_allclose(output["advantages"], expected, atol=1e-6)
    assert not same(before, trainer.model.state_dict())


class FakeVLLM:
    """Answers as TRL's vLLM backend does: ids, and per token a list of log-probabilities."""

    def __init__(self, end):
        self.end, self.max_completion_length = end, 400
        self.generation_kwargs: dict = {}
        self.limits, self.synced = [], 0

    def sync_weights(self):
        self.synced += 1

    def generate(self, prompts, images, num_generations, profiler):
        assert num_generations == 1
        self.limits.append(self.max_completion_length)
        ids = [[10 + len(prompt) % 7, self.end] for prompt in prompts]
        return prompts, ids, [[[-1.5], [-0.25]] for _ in prompts], None


def test_generation_by_vllm_goes_through_trl_with_its_logprobs(tmp_path):
    trainer = tiny_trl.trainer(tmp_path, options={"max_steps": 1}, **tiny_trl.PLAYED)
    fake = FakeVLLM(trainer._tokenizer.eos_token_id)
    trainer.vllm_generation, trainer.use_vllm, trainer._last_loaded_step = fake, True, -1
    trainer._stop_at_turn_ends()
    trainer.train()
    _, rows, output, _ = trainer.batches[0]
    assert fake.synced == 1
    assert fake.limits == [5] * tiny_trl.TURNS
    assert fake.max_completion_length == 400
    assert fake.generation_kwargs["stop_token_ids"] == [fake.end]
    sampled = mask(output)
    assert torch.equal(output["sampling_per_token_logps"] != 0, sampled)
    assert rows[0].turns == [2] * tiny_trl.TURNS
    assert "importance_sampling_ratio" in output


@pytest.fixture(scope="module")
def processes(tmp_path_factory):
    """What each of two processes saw, of every loss type, started as users start them."""
    folder = tmp_path_factory.mktemp("processes")
    ended = subprocess.run(
        [
            *(sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu"),
            *("--num_processes", "2", "--num_machines", "1", "--main_process_port", "0"),
            *("--mixed_precision", "no", "--dynamo_backend", "no"),
            *(str(Path(__file__).with_name("trl_processes.py")), str(folder)),
        ],
        # The launcher's --cpu wants MPI; this leaves its own launcher, on CPU.
        env={**os.environ, "OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true"},
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr[-3000:]
    return [json.loads((folder / f"{rank}.json").read_text()) for rank in range(2)]


@pytest.mark.parametrize("loss_type", tiny_trl.LOSSES)
def test_two_processes_share_groups_and_see_one_batch(loss_type, processes):
    """Groups span the processes; generation is in lockstep though episodes differ in length."""
    one, other = (seen[loss_type] for seen in processes)
    assert one["calls"] == other["calls"]
    assert one["widths"] == other["widths"]
    # Per update: three turns with prompts, and the round in which nobody has one.
    assert one["asked"] == [2, 2, 2, 0] * 2
    assert other["asked"] == [2, 0, 0, 0] * 2
    assert other["widths"] == [2] * 6
    assert one["weight"] == other["weight"]
    assert one["before"] == other["before"]
    assert one["weight"] != one["before"]
    for batches in zip(one["batches"], other["batches"], strict=True):
        tasks = [task for batch in batches for task in batch["tasks"]]
        assert len(tasks) == tiny_trl.GROUP
        assert len(set(tasks)) == 1  # one group, two processes
        episodes = [e for b in batches for e in zip(b["steps"], b["success"], strict=True)]
        by_hand = credited(proxmo.ProxMO(), episodes)
        for rank, batch in enumerate(batches):
            own = by_hand[2 * rank : 2 * rank + 2]
            width = len(batch["advantages"][0])
            expected = spread(own, batch["turns"], batch["mask"], width)
            np.testing.assert_allclose(batch["advantages"], expected, atol=1e-6)
            # Shuffled on the way to the loss.
            assert sorted(batch["in_the_loss"]) == sorted(batch["advantages"])
    assert one["logged"] == other["logged"]
    assert len(one["logged"]) == tiny_trl.GROUP
    whole = [
        sum(line) / sum(turns)
        for batch in (one["batches"][-1], other["batches"][-1])
        for line, turns in zip(batch["advantages"], batch["turns"], strict=True)
    ]
    assert one["logged"] == pytest.approx(whole, abs=1e-6)


def test_grpo_gives_the_advantages_of_trl_itself_in_two_processes(processes):
    for seen in processes:
        run = seen["credit=grpo"]
        batch = run["batches"][-1]
        assert max(map(abs, run["of_trl"])) > 0.1
        expected = np.array(run["of_trl"])[:, None] * np.array(
            [row + [0] * (len(batch["advantages"][0]) - len(row)) for row in batch["mask"]]
        )
        np.testing.assert_allclose(batch["advantages"], expected, atol=1e-6)


@pytest.mark.parametrize(
    ("thinking", "opened"), [(True, "<think>\n"), (False, "<think>\n\n</think>\n\n")]
)
def test_variables_of_the_template_reach_it_and_thoughts_it_opens_are_known(
    tmp_path, thinking, opened
):
    reader = tiny_trl.tokenizer()
    reader.chat_template = (
        "{% for m in messages %}{{ m['role'] + ': ' + m['content'] + eos_token }}{% endfor %}"
        "{% if add_generation_prompt %}{{ 'assistant: <think>\n' }}"
        "{% if not enable_thinking %}{{ '\n</think>\n\n' }}{% endif %}{% endif %}"
    )
    options = {"chat_template_kwargs": {"enable_thinking": thinking}}
    trainer = tiny_trl.trainer(
        tmp_path, options=options, processing_class=reader, prompt_style="think", **tiny_trl.PLAYED
    )
    assert trainer._prompter.opened == opened
    action = trainer._prompter.parse(f"{'so</think>' * thinking}<action>look</action>")
    assert action == ("look", True)


def test_prompts_are_written_as_the_environments_codec_has_it(tmp_path):
    trainer = tiny_trl.trainer(
        tmp_path,
        options={"max_steps": 1},
        environment=toy_env.SPELT,
        tasks=None,
        prompt_style="numbered",
    )
    trainer.train()
    [(episodes, *_)] = trainer.batches
    assert {episode.steps[0].prompt.partition(" ")[0] for episode in episodes} == {"ROOM"}
    assert {episode.steps[0].observation.partition(" ")[0] for episode in episodes} == {"room"}


@pytest.mark.parametrize(
    ("room", "response", "turns", "warned"),
    [(512, 512, None, True), (512, 256, None, False), (None, 512, None, False), (9, 9, 1, False)],
)
def test_a_conversation_with_room_for_one_turn_is_warned_of(recwarn, room, response, turns, warned):
    trl_trainer._warn_of_room(room, response, turns)
    said = [str(w.message) for w in recwarn if w.category is ProxmoWarning]
    assert any("has room for one turn only" in text for text in said) is warned


def test_the_warning_comes_from_trls_own_default(tmp_path):
    default = GRPOConfig.__dataclass_fields__["max_completion_length"].default
    options = {"max_completion_length": default}
    with pytest.warns(ProxmoWarning, match="max_completion_length is 512"):
        tiny_trl.trainer(tmp_path, options=options, max_response_tokens=512, **tiny_trl.PLAYED)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"credit": "ppo"}, "credit method is 'ppo'; choose one of proxmo"),
        ({"credit": 3}, "credit is 3"),
        ({"environment": "alfword"}, "did you mean 'alfworld'"),
        ({"environment": 7}, "environment is 7"),
        ({"environment": tiny_trl.Paying, "tasks": None, "max_turns": None}, "without tasks"),
        ({"environment": tiny_trl.Paying}, "max_turns=3 has no meaning"),
        ({"tasks": []}, "0 tasks"),
        ({"rollout_func": print}, "rollout_func cannot be combined"),
        ({"prompt_style": "numbered"}, "needs an environment that has a codec"),
        ({"max_response_tokens": 0}, "max_response_tokens must be >= 1"),
        ({"train_dataset": Dataset.from_dict({"prompt": ["a"]})}, "column 'task'"),
        ({"options": {"multi_objective_aggregation": "normalize_then_sum"}}, "sum_then_normalize"),
    ],
)
def test_what_cannot_be_used_is_named_with_the_way_out(arguments, says, tmp_path):
    with pytest.raises(InputError, match=says):
        tiny_trl.trainer(tmp_path, **arguments)


def test_the_members_of_a_group_meet_different_noise(tmp_path):
    trainer = tiny_trl.trainer(tmp_path, options={"max_steps": 1}, noise=1.0, **tiny_trl.PLAYED)
    trainer.train()
    [(episodes, *_)] = trainer.batches
    starts = [played.steps[0].observation for played in episodes]
    assert len(set(starts)) == len(starts) == 8
    assert len({quiet(text) for text in starts}) == 2
    with pytest.raises(InputError, match="noise is 2"):
        tiny_trl.trainer(tmp_path, noise=2.0)
