"""The agent loop `proxmo`: an episode of a registered environment, a row per turn."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any
from uuid import uuid4

from verl.experimental.agent_loop.agent_loop import (
    AgentLoopBase,
    AgentLoopMetrics,
    AgentLoopOutput,
    register,
)
from verl.workers.rollout.replica import TokenOutput

from proxmo.adapters.columns import COLUMN, row_column
from proxmo.adapters.tasks import make_env, make_prompter, task_at
from proxmo.adapters.verl.settings import plain, read_settings
from proxmo.episodes.play import rollout
from proxmo.policies.base import Response
from proxmo.policies.chat import ChatFormat
from proxmo.prompts import Prompter
from proxmo.types import Context, Step, Trajectory

_EPISODES = ThreadPoolExecutor(max_workers=1024, thread_name_prefix="proxmo-episode")
"""An episode waits for the server most of its time; threads are made as they are needed."""


@register("proxmo")
class ProxMOAgentLoop(AgentLoopBase):
    """Plays the task that a row of the data names, and returns a row per turn."""

    # verl's V1 workers take a list, though the base class promises one row.
    async def run(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, sampling_params: dict[str, Any], **kwargs: Any
    ) -> list[AgentLoopOutput]:
        """Play one episode; `kwargs` are the columns of the data, and what verl adds."""
        settings = read_settings(self.config)
        where = kwargs["extra_info"]
        chat = _chat_format(
            self.tokenizer, json.dumps(plain(self.apply_chat_template_kwargs or {}))
        )
        prompter = make_prompter(where["env"], settings.style, settings.history, chat.opened)
        server = ServerPolicy(self, chat, prompter, sampling_params)

        def play() -> Trajectory:
            [trajectory] = rollout(
                server,
                lambda: make_env(where["env"], settings.max_steps, settings.env),
                [task_at(where)],
                group_size=1,
                # Every member of a group passes the same seed, hence starts alike.
                seed=settings.seed,
                # verl does not tell which of its group it is.
                first_member=uuid4().int >> 64,
                noise=settings.noise,
            )
            return trajectory

        # In a thread: neither a slow environment nor a slow parser may hold up the others.
        trajectory = await asyncio.get_running_loop().run_in_executor(_EPISODES, play)
        return self.rows(trajectory, server.outputs, int(kwargs.get("global_steps", 0)))

    def rows(
        self, trajectory: Trajectory, outputs: Sequence[TokenOutput], update: int
    ) -> list[AgentLoopOutput]:
        """A row per turn, in order; `outputs` is what the server said at each.

        verl cannot do without the rows of an episode whose environment failed: no loss sees a
        token of them. One that failed before anything was sampled has one row of one token.
        """
        # verl reads the ages of the weights of every row, also of one without a token.
        age = {"min_global_steps": update - 1, "max_global_steps": update - 1}
        rows = []
        for number, step in enumerate(trajectory.steps):
            output = outputs[number] if number < len(outputs) else None
            extra = age if output is None else age | output.extra_fields
            row = self._row(step, output)
            if trajectory.failed:
                row["response_mask"] = [0] * len(row["response_ids"])
            rows.append(
                row
                | {
                    "reward_score": trajectory.reward,
                    "num_turns": 2 * len(trajectory.steps),  # verl counts both sides' messages
                    "extra_fields": extra
                    | {
                        COLUMN: row_column(step, trajectory.success, trajectory.error),
                        # None for an episode that failed: verl then counts it as missing.
                        "reward_extra_info": {}
                        if trajectory.failed
                        else {"acc": float(trajectory.success)},
                    },
                }
            )
        return [AgentLoopOutput(**row) for row in rows]

    def _row(self, step: Step, output: TokenOutput | None) -> dict[str, Any]:
        if output is None:
            tokenizer: Any = self.tokenizer
            blank = [tokenizer.eos_token_id]
            return {
                "prompt_ids": blank,
                "response_ids": blank,
                "response_mask": [0],
                "response_logprobs": [0.0],
                "metrics": AgentLoopMetrics(),
            }
        preempted = -1 if output.num_preempted is None else output.num_preempted
        return {
            "prompt_ids": list(step.prompt_ids),
            "response_ids": list(step.response_ids),
            "response_mask": [1] * len(step.response_ids),
            "response_logprobs": list(step.logprobs) or None,
            "routed_experts": output.routed_experts,
            "metrics": AgentLoopMetrics(num_preempted=preempted),
        }


@dataclass(slots=True)
class ServerPolicy:
    """verl's servers as a policy of one episode: prompts of the last turns, one at a time."""

    loop: Any
    """The agent loop."""
    chat: ChatFormat
    prompter: Prompter
    sampling: Mapping[str, Any]
    context: Context = "window"
    outputs: list[TokenOutput] = field(default_factory=list)
    """What the server answered, turn by turn."""
    request: str = field(default_factory=lambda: uuid4().hex)
    """One for the episode: verl sends the same request to the same server, whose cache of
    prefixes may know the prompt's beginning."""

    def open(self, rngs: Sequence[Any], *, temperature: float, greedy: bool) -> ServerPolicy:
        """Begin the episode; verl's own sampling parameters hold."""
        del rngs, temperature, greedy
        return self

    def respond(self, rows: Sequence[int], prompts: Sequence[str]) -> list[Response]:
        """Answer the one prompt; called from the episode's thread."""
        del rows
        return [self._respond(prompt) for prompt in prompts]

    def fits(self, prompt: str) -> bool:
        """Whether a prompt is within `data.max_prompt_length`."""
        most = self.loop.rollout_config.prompt_length
        return not self.chat.exceeds(prompt, most) and len(self.chat.opening(prompt)) <= most

    def _respond(self, prompt: str) -> Response:
        if not self.fits(prompt):
            return Response("", stop="full")
        prompt_ids, limit = self.chat.opening(prompt), self.loop.rollout_config.response_length
        said = self._wait(
            self.loop.server_manager.generate(
                request_id=self.request,
                prompt_ids=prompt_ids,
                # Without a limit a turn could use up what the prompt has left over.
                sampling_params=dict(self.sampling) | {"max_tokens": limit},
            )
        )
        self.outputs.append(said)
        ids = said.token_ids[:limit]
        return Response(
            text=self.chat.text(ids),
            prompt_ids=tuple(prompt_ids),
            response_ids=tuple(ids),
            logprobs=tuple(said.log_probs[: len(ids)] if said.log_probs else ()),
        )

    def _wait(self, answer: Coroutine[Any, Any, TokenOutput]) -> TokenOutput:
        return asyncio.run_coroutine_threadsafe(answer, self.loop.loop).result()


@lru_cache(maxsize=8)
def _chat_format(tokenizer: Any, options: str) -> ChatFormat:
    """Made once for all episodes of a worker; `options` are the template's variables as JSON."""
    return ChatFormat(tokenizer, **json.loads(options))
