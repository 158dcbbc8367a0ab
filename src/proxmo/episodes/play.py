"""Tasks times group size to trajectories: all live episodes advance in one batch."""

from __future__ import annotations

import hashlib
import time
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import count
from typing import Any

import numpy as np

from proxmo.envs.base import Task
from proxmo.episodes.episode import LiveEpisode
from proxmo.errors import ProxmoWarning
from proxmo.policies.base import Dialogue, Policy, Response, fits
from proxmo.prompts import Prompt
from proxmo.types import Trajectory


@dataclass(frozen=True, slots=True)
class RolloutProgress:
    """Where a rollout stands."""

    episodes: int
    """Episodes that ended."""
    total: int
    steps: int
    successes: int
    errors: int
    """Of the episodes that ended, those that the environment broke off."""
    tokens: int
    """Sampled tokens."""
    seconds: float


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
    timeout: float | None = None,
    noise: float = 0.0,
    on_progress: Callable[[RolloutProgress], None] | None = None,
) -> list[Trajectory]:
    """Play every task `group_size` times; trajectories ordered by task, then by member.

    Every trajectory comes back: an environment that raises ends its own episode, which is
    recorded with the error (`Trajectory.failed`). The members of a group share the task and the
    seed of the environment, hence the start; each has its own random stream for sampling,
    so that the same `seed` gives the same trajectories. A task that is listed again is played by
    further members.

    `guidance` says what the policy is told before a task, such as examples. Members are
    numbered from `first_member`: a later rollout of the same tasks and seed, numbered on,
    starts the same episodes again and samples anew.

    An environment whose class says `waits = True` spends its time waiting for another process:
    such environments are called at the same time, a thread each. A call that takes longer than
    `timeout` seconds ends its episode as one that raises does; with a limit, every environment
    has a thread of its own. A share `noise` of the observations is followed by a sentence that
    says nothing of the task (`proxmo.envs.noise`), the members of a group by different ones.
    """
    members: dict[str, Iterator[int]] = defaultdict(partial(count, first_member))
    episodes = [
        LiveEpisode(
            task,
            next(members[task.id]),
            task_seed(seed, task.id),
            make_env,
            guidance(task),
            timeout,
            noise,
        )
        for task in tasks
        for _ in range(group_size)
    ]
    rngs = [np.random.default_rng([task_seed(seed, e.task.id), e.member]) for e in episodes]
    try:
        dialogue = policy.open(rngs, temperature=temperature, greedy=greedy)
        _play(policy, dialogue, episodes, on_progress)
    finally:  # also when the policy breaks: a server keeps an environment that nobody closes
        for episode in episodes:
            episode.begin_close()
        for episode in episodes:
            episode.closed()
    trajectories = [episode.record(policy.context) for episode in episodes]
    _warn_of_cuts(trajectories)
    return trajectories


def _play(
    policy: Policy,
    dialogue: Dialogue,
    episodes: Sequence[LiveEpisode],
    on_progress: Callable[[RolloutProgress], None] | None,
) -> None:
    """All episodes from start to end."""
    for episode in episodes:
        episode.begin_start()
    for episode in episodes:
        episode.started()
    play_on(policy, dialogue, episodes, on_progress)


def play_on(
    policy: Policy,
    dialogue: Dialogue,
    episodes: Sequence[LiveEpisode],
    on_progress: Callable[[RolloutProgress], None] | None = None,
) -> None:
    """Episodes that stand anywhere to their ends, a turn of every live one at a time.

    `dialogue` is the policy's side of them: row i is that of `episodes[i]`.
    """
    began, tokens = time.perf_counter(), 0
    while prompts := _prompts(policy, episodes):
        texts = [prompt.text for prompt in prompts.values()]
        responses = dialogue.respond(list(prompts), texts)
        turns = [
            (episodes[row], prompt.text, replace(response, cut=prompt.cut))
            for (row, prompt), response in zip(prompts.items(), responses, strict=True)
        ]
        _act(policy, turns)
        tokens += sum(len(response.response_ids) for response in responses)
        if on_progress is not None:
            on_progress(_progress(episodes, tokens, time.perf_counter() - began))


def _prompts(policy: Policy, episodes: Sequence[LiveEpisode]) -> dict[int, Prompt]:
    """The prompts of the live episodes, by row.

    An environment's codec takes part in writing them; where it fails the episode ends.
    """
    prompts = {}
    for row, episode in enumerate(episodes):
        if not episode.ended:
            with episode.guarded():
                prompts[row] = _prompt(policy, episode)
    return prompts


def _act(policy: Policy, turns: Sequence[tuple[LiveEpisode, str, Response]]) -> None:
    """A turn of every live episode: first all ask their environments, then all hear the answer."""
    asked = []
    for episode, prompt, response in turns:
        if response.stop == "full":
            episode.run_out()
            continue
        with episode.guarded():  # as above
            action, well_formed = policy.prompter.parse(response.text, episode.observation)
            episode.begin_act(action)
            asked.append((episode, prompt, response, action, well_formed))
        if episode.ended:
            episode.record_turn(episode.observation, prompt, response, action="")
    for episode, prompt, response, action, well_formed in asked:
        episode.acted(prompt, response, action, well_formed)


def _progress(episodes: Sequence[LiveEpisode], tokens: int, seconds: float) -> RolloutProgress:
    ended = [episode for episode in episodes if episode.ended]
    return RolloutProgress(
        episodes=len(ended),
        total=len(episodes),
        steps=sum(len(episode.steps) for episode in episodes),
        successes=sum(episode.success for episode in ended),
        errors=sum(episode.error is not None for episode in ended),
        tokens=tokens,
        seconds=seconds,
    )


def _prompt(policy: Policy, episode: LiveEpisode) -> Prompt:
    return policy.prompter.turn(
        policy.context,
        episode.goal,
        [(step.observation, step.action) for step in episode.steps],
        episode.observation,
        episode.actions,
        episode.guidance,
        fits(policy),
    )


def _warn_of_cuts(trajectories: Sequence[Trajectory]) -> None:
    if any(step.cut for trajectory in trajectories for step in trajectory.steps):
        # Always the same text: Python shows it once.
        warnings.warn(
            "some prompts were too long: their oldest turns were left out, then the list of "
            "actions, then examples (`Step.cut`, rollout/cut_prompts); allow longer ones with "
            "max_prompt_tokens, or tell less history",
            ProxmoWarning,
            stacklevel=3,
        )


def task_seed(seed: int, task_id: str) -> int:
    """A seed for a task, the same on every machine and for every group that plays it."""
    digest = hashlib.blake2b(f"{seed}/{task_id}".encode(), digest_size=7).digest()
    return int.from_bytes(digest, "big")
