"""`ProxMOTrainer`: TRL's `GRPOTrainer`, whose advantages are per turn and come from proxmo."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
from accelerate.utils import gather_object
from numpy.random import SeedSequence
from trl.trainer.grpo_config import GRPOConfig
from trl.trainer.grpo_trainer import GRPOTrainer

from proxmo.adapters.methods import estimator_of
from proxmo.adapters.trl.conversations import (
    Conversation,
    ConversationPolicy,
    Sampled,
    never_started,
    token_advantages,
)
from proxmo.adapters.trl.grouping import (
    TRLGroupRelative,
    check_groups,
    credit_batch,
    slim,
    split_by_trajectory,
)
from proxmo.adapters.trl.tasks import Environment, Tasks, resolve, task_dataset
from proxmo.credit import Credit, Estimator
from proxmo.envs.noise import check_noise
from proxmo.episodes.metrics import rollout_metrics
from proxmo.episodes.play import rollout
from proxmo.errors import InputError, ProxmoWarning
from proxmo.policies.chat import ChatFormat
from proxmo.prompts import Prompter, PromptStyle
from proxmo.types import Trajectory

_REPLACED = ("tools", "rollout_func", "environment_factory")


def environment_reward(trajectory: Sequence[Trajectory], **_: Any) -> list[float | None]:
    """TRL's reward function for what the environment paid: the sum over the episode's steps."""
    return [played.reward for played in trajectory]


class ProxMOTrainer(GRPOTrainer):
    """`GRPOTrainer` that plays an environment turn by turn and credits every turn.

    One episode is one row: the first prompt, then all turns as its completion. Advantages
    are (rows, tokens): constant over the response tokens of a turn, zero on what the
    environment said. Everything else is TRL's: losses, generation (transformers or vLLM),
    buffering, evaluation, checkpoints, logging, processes.

    Arguments are those of `GRPOTrainer`, without `tools`, `rollout_func` and
    `environment_factory`, whose place `environment` takes, and:

    Args:
        credit: Name of `proxmo.CREDIT` or an estimator. "grpo" is TRL's own GRPO, with
            `args.scale_rewards`; other estimators have options of their own instead.
        environment: Name of proxmo's registry, an `EnvSpec`, or a function that makes a
            text environment in Gymnasium's shape (`proxmo.envs.base.TextEnv`).
        tasks: What to train on. Without it, the environment's own split "train".
        eval_tasks: What `evaluate()` plays; none by default.
        max_turns: Turns of an episode at most; the environment's default otherwise.
        prompt_style: "think", "compact" or, where the environment has a codec, "numbered"
            (`proxmo.prompts`).
        max_response_tokens: Longest response of a turn. `args.max_completion_length` is
            the longest conversation after its first prompt, as with TRL's tools: an episode
            ends when it is reached.
        noise: Share of observations, in [0, 1], that are followed by a sentence that says
            nothing of the task (`proxmo.envs.noise`).
        reward_funcs: Optional: further rewards for finished conversations, credited to the
            last turn. `args.reward_weights` begins with the environment's weight.
        train_dataset, eval_dataset: Optional: rows with a column "task", an index of
            `tasks` (`eval_tasks`), instead of one row for every task.

    Raises:
        InputError: for an argument that cannot be used, naming it and the way out.
        ProxmoError: while training, when every episode of a batch ends in an error.
    """

    def __init__(
        self,
        model: Any,
        reward_funcs: Any = None,
        args: GRPOConfig | None = None,
        train_dataset: Any = None,
        eval_dataset: Any = None,
        *,
        credit: str | Estimator = "proxmo",
        environment: Environment,
        tasks: Tasks | None = None,
        eval_tasks: Tasks | None = None,
        max_turns: int | None = None,
        prompt_style: PromptStyle = "think",
        max_response_tokens: int = 512,
        noise: float = 0.0,
        **options: Any,
    ) -> None:
        for name in _REPLACED:
            if options.pop(name, None) is not None:
                raise InputError(f"{name} cannot be combined with environment=; leave it out")
        if max_response_tokens < 1:
            raise InputError(f"max_response_tokens must be >= 1, got {max_response_tokens}")
        check_noise(noise)
        args = GRPOConfig("proxmo-trl") if args is None else args
        if args.multi_objective_aggregation != "sum_then_normalize":
            raise InputError(
                f"multi_objective_aggregation is {args.multi_objective_aggregation!r}; credit "
                "works on the weighted sum of rewards: use 'sum_then_normalize'"
            )
        _warn_of_room(args.max_completion_length, max_response_tokens, max_turns)
        self._credit: Estimator = _estimator(credit, args)
        self._make_env, self._tasks, codec = resolve(environment, tasks, max_turns, args.seed)
        self._eval_tasks = eval_tasks
        self._prompter = Prompter(prompt_style, codec=codec)
        self._noise = noise
        self._max_response_tokens = max_response_tokens
        self._played: list[Trajectory] = []
        self._conversations: list[Conversation] = []
        readers = options.pop("reward_processing_classes", None)
        if readers is not None:
            options["reward_processing_classes"] = [None, *_listed(readers)]
        with _no_experimental_warning():
            super().__init__(
                model,
                [environment_reward, *_listed(reward_funcs)],
                args,
                task_dataset(train_dataset, self._tasks, name="train_dataset", required=True),
                task_dataset(eval_dataset, eval_tasks, name="eval_dataset", required=False),
                rollout_func=_hand_over,
                **options,
            )
        template_options: Any = self.chat_template_kwargs
        self._chat = ChatFormat(self._tokenizer, **template_options)
        # A thought that the template began is judged with what it began with.
        self._prompter = replace(self._prompter, opened=self._chat.opened)
        self._stop_at_turn_ends()

    def _set_signature_columns_if_needed(self) -> None:
        if self._signature_columns is None:
            super()._set_signature_columns_if_needed()
            self._signature_columns.append("task")

    def _stop_at_turn_ends(self) -> None:
        """Have TRL's generation stop where the chat template ends a turn."""
        self.eos_token_ids = sorted({*self.eos_token_ids, *self._chat.end_ids})
        if self.use_vllm:
            given = dict(self.vllm_generation.generation_kwargs or {})
            stops = {*given.get("stop_token_ids", ()), *self.eos_token_ids}
            given["stop_token_ids"] = sorted(stops)
            self.vllm_generation.generation_kwargs = given
        else:
            self.generation_config.eos_token_id = self.eos_token_ids
            self.generation_kwargs["eos_token_id"] = self.eos_token_ids

    # Playing

    def _generate_and_score_completions(self, inputs: list[dict[str, Any]]) -> dict[str, Any]:
        self._play([int(row["task"]) for row in inputs])
        prompts = [[{"role": "user", "content": row.opening}] for row in self._conversations]
        rows = [{**row, "prompt": prompt} for row, prompt in zip(inputs, prompts, strict=True)]
        output = super()._generate_and_score_completions(rows)
        output["advantages"] = self._token_advantages(output["completion_ids"].shape[1])
        return output

    def _play(self, numbers: Sequence[int]) -> None:
        """Play one episode of each task, by its number, in the order given."""
        training = self._mode == "train"
        tasks = self._tasks if training or self._eval_tasks is None else self._eval_tasks
        # All processes come to the same number, and so the members of a group, wherever
        # they are played, start from the same state. An evaluation is always the same.
        update = self.state.global_step + 1 if training else 0
        seed = int(SeedSequence([self.args.seed, update]).generate_state(1)[0])
        assert self.max_completion_length is not None
        policy = ConversationPolicy(
            self._turn,
            self._chat,
            self._prompter,
            self._max_response_tokens,
            self.max_completion_length,
        )
        chosen = [tasks[number] for number in numbers]
        # Numbered over all processes: a group may be played by more than one.
        first = self.accelerator.process_index * len(chosen)
        self._played = rollout(
            policy,
            self._make_env,
            chosen,
            group_size=1,
            seed=seed,
            first_member=first,
            noise=self._noise,
        )
        if self._lockstep:  # others may still be playing, and cannot generate without us
            while self._turn([], 0)[0]:
                pass
        filler: Any = self._tokenizer.eos_token_id
        self._conversations = [
            row if row.turns else never_started(filler) for row in policy.conversations
        ]
        for row, played in zip(self._conversations, self._played, strict=True):
            if played.failed:
                row.mute()

    @property
    def _mode(self) -> str:
        """TRL's name for what is going on, by which it keeps its metrics apart."""
        assert self.model is not None
        return "train" if self.model.training else "eval"

    @property
    def _lockstep(self) -> bool:
        """Whether processes can only generate together, each the same number of prompts."""
        together = self.use_vllm or self.is_deepspeed_enabled or self.is_fsdp_enabled
        return self.accelerator.num_processes > 1 and together

    def _turn(self, prompts: list[list[int]], limit: int) -> Sampled:
        """One call of TRL's generation: at most `limit` tokens after each of `prompts`.

        In lockstep, a process with fewer prompts than another adds fillers, whose answers
        come after its own; no answer at all means that no process had a prompt.
        """
        if self._lockstep:
            asked = gather_object([(len(prompts), limit)])
            count, limit = max(n for n, _ in asked), max(most for _, most in asked)
            prompts = prompts + [[self._tokenizer.eos_token_id]] * (count - len(prompts))
        if not prompts:
            return [], None
        with self._at_most(limit):
            # Every row has a history of its own: one answer to each.
            return self._generate_single_turn(prompts, None, {}, num_generations=1)

    @contextmanager
    def _at_most(self, tokens: int) -> Iterator[None]:
        """Inside this `with`, TRL generates so many tokens at most."""
        where, name = (
            (self.vllm_generation, "max_completion_length")
            if self.use_vllm
            else (self.generation_config, "max_new_tokens")
        )
        usual = getattr(where, name)
        setattr(where, name, tokens)
        try:
            yield
        finally:
            setattr(where, name, usual)

    def _generate(self, prompts: list[Any]) -> tuple[Any, ...]:
        # Plain texts: TRL would try to read a whole conversation as one message.
        texts = [prompt[-1]["content"] for prompt in prompts]
        output = list(super()._generate(texts))
        output[3] = [row.messages for row in self._conversations]  # its `completions`
        return tuple(output)

    # Credit

    def _calculate_rewards(self, *args: Any, **kwargs: Any) -> torch.Tensor:
        # (rows of all processes, reward functions)
        self._rewards = super()._calculate_rewards(*args, **kwargs)
        failed = gather_object([played.failed for played in self._played])
        # TRL leaves rows without any reward out of its means.
        self._rewards[torch.tensor(failed, device=self._rewards.device)] = torch.nan
        return self._rewards

    def _token_advantages(self, width: int) -> torch.Tensor:
        """This process's (rows, width); credit sees the groups whole, whoever played them."""
        mode = self._mode
        size = self.num_generations if mode == "train" else self.num_generations_eval
        assert size is not None  # TRL's defaults fill it in
        trajectories: list[Trajectory] = gather_object([slim(played) for played in self._played])
        check_groups(trajectories, size)
        weights = self.reward_weights.double()
        rewards = self._rewards.double().cpu()
        further = (rewards[:, 1:] * weights[1:]).nansum(dim=1).tolist()
        result = credit_batch(
            self._credit,
            trajectories,
            size,
            float(weights[0]),
            further,
            tell=self.accelerator.is_main_process,
        )
        advantages = split_by_trajectory(result.advantage, trajectories)

        start = self.accelerator.process_index * len(self._played)
        own = advantages[start : start + len(self._played)]
        spread = token_advantages(self._conversations, own, width)
        self._log_credit(trajectories, [values.tolist() for values in advantages], spread)
        for name, value in self._figures(trajectories, result).items():
            self._metrics[mode][name].append(value)
        return torch.from_numpy(spread).to(self.accelerator.device)

    def _figures(self, trajectories: Sequence[Trajectory], credit: Credit) -> dict[str, float]:
        """What the batch was like, in numbers to log."""
        full = gather_object([row.full for row in self._conversations])
        whole = [cut for played, cut in zip(trajectories, full, strict=True) if not played.failed]
        room = {"rollout/out_of_room": sum(whole) / len(whole)}
        return rollout_metrics(trajectories) | room | credit.diagnostics

    def _log_credit(
        self, trajectories: list[Trajectory], advantages: list[list[float]], spread: Any
    ) -> None:
        """Fill TRL's table of completions, in which TRL has put its own advantages."""
        lengths = [max(1, sum(row.turns)) for row in self._conversations]
        means = gather_object((spread.sum(axis=1) / lengths).tolist())
        logged = self._logs["advantages"]
        for _ in range(min(len(means), len(logged))):
            logged.pop()
        logged.extend(means)
        self._logs["extra"]["turn_advantages"].extend(advantages)
        self._logs["extra"]["success"].extend(played.success for played in trajectories)


def _hand_over(prompts: list[str], trainer: Any) -> dict[str, Any]:
    """TRL's `rollout_func`: the conversations that were played just before."""
    rows = trainer._conversations
    assert len(rows) == len(prompts)
    return {
        "prompt_ids": [row.prompt_ids for row in rows],
        "completion_ids": [row.completion_ids for row in rows],
        # TRL uses the sampler's own log-probabilities with vLLM only.
        "logprobs": [row.logprobs for row in rows] if trainer.use_vllm else None,
        "env_mask": [row.mask for row in rows],
        "trajectory": trainer._played,
    }


def _estimator(credit: str | Estimator, args: GRPOConfig) -> Estimator:
    if credit == "grpo":
        scale: Any = args.scale_rewards  # checked by TRL
        return TRLGroupRelative(scale)
    return estimator_of(credit)


def _warn_of_room(conversation: int | None, response: int, turns: int | None) -> None:
    """Say before anything is loaded that episodes of many turns have room for one."""
    if conversation is None or turns == 1 or conversation >= 2 * response:
        return
    warnings.warn(
        f"max_completion_length is {conversation}, the tokens of a whole conversation after its "
        f"first prompt, and a turn may have max_response_tokens={response}: an episode has room "
        f"for one turn only. Give GRPOConfig a larger one, such as {16 * response}, or shorter "
        "turns",
        ProxmoWarning,
        stacklevel=3,  # whoever made the trainer
    )


def _listed(reward_funcs: Any) -> list[Any]:
    if reward_funcs is None:
        return []
    return list(reward_funcs) if isinstance(reward_funcs, list) else [reward_funcs]


@contextmanager
def _no_experimental_warning() -> Iterator[None]:
    """TRL warns whoever gives it a `rollout_func`; here that is proxmo, not the user."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*'rollout_func'.*", category=UserWarning)
        yield
