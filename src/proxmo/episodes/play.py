"""Tasks times group size to trajectories: all live episodes advance in one batch."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from proxmo.envs.base import Task
from proxmo.policies.base import Dialogue, Policy, Response
from proxmo.types import Context, Step, Trajectory


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a rollout stands."""

    episodes: int
    """Episodes that ended."""
    total: int
    steps: int
    successes: int
    tokens: int
    """Sampled tokens."""
    seconds: float


@dataclass(slots=True)
class Episode:
    """An episode under way: acts in its environment and records the turns."""

    task: Task
    member: int
    seed: int
    env: Any
    guidance: str = ""
    """Told before the task in the policy's prompts."""
    goal: str = ""
    observation: str = ""
    actions: Sequence[str] = ()
    steps: list[Step] = field(default_factory=list)
    ended: bool = False
    success: bool = False
    truncated: bool = False
    error: str | None = None
    score: float | None = None

    def start(self) -> None:
        """Reset the environment; an error is recorded and ends the episode."""
        try:
            observation, info = self.env.reset(seed=self.seed, options=self.task.options)
            self.observation = _text(observation)
            self.goal = info.get("goal", "")
            self.actions = info.get("admissible_actions", ())
            self.score = _score(info)
        except Exception as error:  # one broken environment costs one episode
            self._fail(error)

    def act(self, prompt: str, response: Response, action: str, well_formed: bool) -> None:
        """Send the action to the environment and record the turn."""
        before, reward, valid = self.observation, 0.0, False
        try:
            observation, paid, terminated, truncated, info = self.env.step(action)
            paid, success = _finite("reward", paid), bool(info["success"])
            self.observation = _text(observation)
            self.actions = info.get("admissible_actions", ())
            self.success, self.score = success, _score(info)
            self.ended, self.truncated = terminated or truncated, truncated and not terminated
            # Last: what fails before has paid nothing.
            reward, valid = paid, well_formed and bool(info.get("valid", True))
        except Exception as error:  # one broken environment costs one episode
            self._fail(error)
        self.steps.append(
            Step(
                observation=before,
                prompt=prompt,
                response=response.text,
                action=action,
                reward=reward,
                valid=valid,
                prompt_ids=response.prompt_ids,
                response_ids=response.response_ids,
                logprobs=response.logprobs,
            )
        )

    def run_out(self) -> None:
        """End the episode because the policy has no room for another turn."""
        self.ended = self.truncated = True

    def _fail(self, error: Exception) -> None:
        self.error = f"{type(error).__name__}: {error}"
        self.success, self.ended, self.truncated = False, True, True

    def close(self) -> None:
        """Free what the environment holds."""
        with suppress(Exception):  # the episode is over, and what it was stands
            self.env.close()

    def record(self, context: Context) -> Trajectory:
        """The episode as a trajectory of at least one step."""
        # An environment that failed at once leaves an empty step: the episode keeps its
        # place in the group's statistics, and no token of it is trained on.
        empty = Step(self.observation, prompt="", response="", action="", reward=0.0, valid=True)
        return Trajectory(
            id=f"{self.task.id}#{self.member}",
            group=self.task.id,
            task=self.task.id,
            task_type=self.task.task_type,
            seed=self.seed,
            steps=tuple(self.steps) or (empty,),
            success=self.success,
            truncated=self.truncated,
            error=self.error,
            context=context,
            score=self.score,
            goal=self.goal,
        )


def _text(observation: Any) -> str:
    if not isinstance(observation, str):
        raise TypeError(f"the observation is {observation!r}, not a text")
    return observation


def _finite(name: str, value: Any) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"the {name} is {number}")
    return number


def _score(info: Mapping[str, Any]) -> float | None:
    """The environment's own grade, where it gives one."""
    score = info.get("score")
    return None if score is None else _finite("score", score)


def rollout(
    policy: Policy,
    make_env: Callable[[], Any],
    tasks: Sequence[Task],
    *,
    group_size: int,
    seed: int,
    temperature: float = 1.0,
    greedy: bool = False,
    guidance: Callable[[Task], str] = lambda task: "",
    first_member: int = 0,
    on_progress: Callable[[Progress], None] | None = None,
) -> list[Trajectory]:
    """Play every task `group_size` times; trajectories ordered by task, then by member.

    Every trajectory comes back: an environment that raises ends its own episode, which is
    recorded with the error as a failure. The members of a group share the task and the
    seed of the environment, hence the start; each has its own random stream for sampling,
    so that the same `seed` gives the same trajectories.

    `guidance` says what the policy is told before a task, such as examples. Members are
    numbered from `first_member`: a later rollout of the same tasks and seed, numbered on,
    starts the same episodes again and samples anew.
    """
    episodes = [
        Episode(task, member, task_seed(seed, task.id), make_env(), guidance(task))
        for task in tasks
        for member in range(first_member, first_member + group_size)
    ]
    rngs = [np.random.default_rng([task_seed(seed, e.task.id), e.member]) for e in episodes]
    try:
        dialogue = policy.open(rngs, temperature=temperature, greedy=greedy)
        _play(policy, dialogue, episodes, on_progress)
    finally:  # also when the policy breaks: a server keeps an environment that nobody closes
        for episode in episodes:
            episode.close()
    return [episode.record(policy.context) for episode in episodes]


def _play(
    policy: Policy,
    dialogue: Dialogue,
    episodes: Sequence[Episode],
    on_progress: Callable[[Progress], None] | None,
) -> None:
    """All episodes from start to end, a turn of every live one at a time."""
    began, tokens = time.perf_counter(), 0
    for episode in episodes:
        episode.start()
    while live := [row for row, episode in enumerate(episodes) if not episode.ended]:
        prompts = [_prompt(policy, episodes[row]) for row in live]
        responses = dialogue.respond(live, prompts)
        for row, prompt, response in zip(live, prompts, responses, strict=True):
            if response.stop == "full":
                episodes[row].run_out()
            else:
                action, well_formed = policy.prompter.parse(
                    response.text, episodes[row].observation
                )
                episodes[row].act(prompt, response, action, well_formed)
        tokens += sum(len(response.response_ids) for response in responses)
        if on_progress is not None:
            on_progress(_progress(episodes, tokens, time.perf_counter() - began))


def _progress(episodes: Sequence[Episode], tokens: int, seconds: float) -> Progress:
    ended = [episode for episode in episodes if episode.ended]
    return Progress(
        episodes=len(ended),
        total=len(episodes),
        steps=sum(len(episode.steps) for episode in episodes),
        successes=sum(episode.success for episode in ended),
        tokens=tokens,
        seconds=seconds,
    )


def _prompt(policy: Policy, episode: Episode) -> str:
    observation, actions = episode.observation, episode.actions
    if policy.context == "window":
        past = [(step.observation, step.action) for step in episode.steps]
        return policy.prompter.window(episode.goal, past, observation, actions, episode.guidance)
    if not episode.steps:
        return policy.prompter.opening(episode.goal, observation, actions, episode.guidance)
    return policy.prompter.following(observation, actions)


def task_seed(seed: int, task_id: str) -> int:
    """A seed for a task, the same on every machine and for every group that plays it."""
    digest = hashlib.blake2b(f"{seed}/{task_id}".encode(), digest_size=7).digest()
    return int.from_bytes(digest, "big")
