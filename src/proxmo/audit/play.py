"""Playing on from every step of sampled episodes, to see what each of them was worth."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from proxmo.audit.record import Recorder, TaskRecord
from proxmo.credit.options import check_finite, check_range, check_whole
from proxmo.envs.base import Task
from proxmo.envs.noise import check_noise
from proxmo.episodes.episode import LiveEpisode
from proxmo.episodes.play import play_on, rollout, task_seed
from proxmo.errors import InputError, ProxmoError
from proxmo.policies.base import Policy, Resumable
from proxmo.types import Trajectory

_ROWS = 256
"""Continuations that are played side by side: they are of neighbouring steps, so that what they
remember is about as long."""


@dataclass(frozen=True, slots=True)
class AuditSettings:
    """How the steps of a task are audited."""

    group_size: int = 8
    """Episodes sampled of the task, as in training (paper: 8), at least 2."""
    trajectories: int = 2
    """How many of them are audited, step by step, at least 1."""
    continuations: int = 16
    """How often each of their steps is played on from, an even number: halves of them are
    compared. `continuations * trajectories` must be at least `2 * (group_size - 1)`, so that
    groups can be drawn anew."""
    seed: int = 0
    """Seed of sampling."""
    temperature: float = 1.0
    """Sampling temperature, > 0: that of training, as what is judged is the policy that samples."""
    noise: float = 0.0
    """Share of the observations that have noise, in [0, 1], for the policy, too."""
    timeout: float | None = None
    """Seconds that a call to the environment may take; none: it is waited for."""

    def __post_init__(self) -> None:
        check_whole("group_size", self.group_size, 2)
        check_whole("trajectories", self.trajectories, 1)
        check_whole("continuations", self.continuations, 2)
        check_range("temperature", self.temperature, 0.0, above=True)
        check_finite("temperature", self.temperature, 0.0)
        check_noise(self.noise)
        if self.trajectories > self.group_size:
            raise InputError(
                f"trajectories is {self.trajectories}, and a group has {self.group_size}; audit "
                "no more than there are"
            )
        if self.continuations % 2:
            raise InputError(
                f"continuations is {self.continuations}; give an even number, as halves of them "
                "are compared"
            )
        if self.continuations * self.trajectories < 2 * (self.group_size - 1):
            needed = -(-2 * (self.group_size - 1) // self.trajectories)
            raise InputError(
                f"{self.continuations} continuations of {self.trajectories} trajectories are too "
                f"few to draw groups of {self.group_size} anew; give at least "
                f"{needed + needed % 2} continuations, or more trajectories"
            )


def audit_task(
    policy: Policy, make_env: Callable[[], Any], task: Task, settings: AuditSettings
) -> TaskRecord:
    """Sample a group of the task, and play on from every step of some of its episodes.

    The same settings give the same record. Episodes that the environment breaks off are left out
    and counted.

    Raises:
        InputError: when the policy cannot go on from turns that it took before.
        ProxmoError: when the environment, which cannot be copied, says something else when the
            same actions are played again.
    """
    if not isinstance(policy, Resumable):
        raise InputError(
            f"a {type(policy).__name__} cannot go on from a turn that it took before, which an "
            "audit needs; give a model that runs here"
        )
    began = time.perf_counter()
    sampled = rollout(
        policy,
        make_env,
        [task],
        group_size=settings.group_size,
        seed=settings.seed,
        temperature=settings.temperature,
        noise=settings.noise,
        timeout=settings.timeout,
    )
    recorder = Recorder()
    for number, trajectory in enumerate(sampled):
        recorder.add(trajectory, number)
    sound = [number for number, trajectory in enumerate(sampled) if not trajectory.failed]
    turns = sum(len(trajectory.steps) for trajectory in sampled)
    # One survivor alone is compared with nothing, so that no method has anything to say.
    audited = sound[: settings.trajectories] if len(sound) > 1 else []
    for number in audited:
        for rows in _batches(sampled[number], settings.continuations):
            live = _branches(sampled[number], number, task, make_env, settings, rows)
            turns += _play_on(policy, task, number, live, rows, settings)
            for episode, (since, k) in zip(live, rows, strict=True):
                recorder.add(episode.record(policy.context), number, since, k)
    return recorder.record(
        task.id,
        task.task_type,
        settings.group_size,
        audited=tuple(audited),
        seconds=time.perf_counter() - began,
        turns=turns,
    )


Branch = tuple[int, int]
"""The step that a continuation goes on from, and its number."""


def _batches(trajectory: Trajectory, count: int) -> Iterator[list[Branch]]:
    """The continuations of an episode, those of neighbouring steps together."""
    steps = max(1, _ROWS // count)
    for first in range(0, len(trajectory.steps), steps):
        last = min(first + steps, len(trajectory.steps))
        yield [(since, k) for since in range(first, last) for k in range(count)]


def _branches(
    trajectory: Trajectory,
    member: int,
    task: Task,
    make_env: Callable[[], Any],
    settings: AuditSettings,
    rows: Sequence[Branch],
) -> list[LiveEpisode]:
    """An episode for each of `rows`, which stands where the recorded one stood before that step."""
    seed = task_seed(settings.seed, task.id)
    started: list[LiveEpisode] = []

    def replayed(since: int) -> LiveEpisode:
        episode = LiveEpisode(
            task, member, seed, make_env, timeout=settings.timeout, noise=settings.noise
        )
        started.append(episode)
        episode.start()
        _go_on(episode, trajectory, since)
        return episode

    def copied(base: LiveEpisode, since: int) -> LiveEpisode:
        _go_on(base, trajectory, since)
        started.append(base.fork())
        return started[-1]

    try:
        base = replayed(rows[0][0])
        if base.forkable:
            live = [copied(base, since) for since, _ in rows]
            base.close()
        else:
            live = [base, *(replayed(since) for since, _ in rows[1:])]
        for episode, branch in zip(live, rows, strict=True):
            episode.part(*branch)
        return live
    except BaseException:
        for episode in started:
            episode.close()
        raise


def _go_on(episode: LiveEpisode, trajectory: Trajectory, until: int) -> None:
    """Play the recorded actions up to a step, and see that the environment says the same."""
    while len(episode.steps) < until and not episode.ended:
        episode.repeat(trajectory.steps[len(episode.steps)])
    expected = trajectory.steps[until].observation
    if episode.error is None and not episode.ended and episode.observation == expected:
        return
    told = episode.error or f"step {until} then begins with {episode.observation[:200]!r}"
    raise ProxmoError(
        f"task {trajectory.task!r} is not the same when its actions are played again, so that no "
        f"step of it can be played on from: {told}, not {expected[:200]!r}. Give the environment "
        "a method fork() that copies it as it stands, or let its seed decide all that it does"
    )


def _play_on(
    policy: Resumable,
    task: Task,
    trajectory: int,
    live: Sequence[LiveEpisode],
    rows: Sequence[Branch],
    settings: AuditSettings,
) -> int:
    """Play episodes to their ends, each with a random stream of its own; turns that it took."""
    seed = task_seed(settings.seed, task.id)
    rngs = [np.random.default_rng([seed, trajectory, since, k]) for since, k in rows]
    before = sum(len(episode.steps) for episode in live)
    try:
        dialogue = policy.resume(
            [episode.steps for episode in live],
            rngs,
            temperature=settings.temperature,
            greedy=False,
        )
        play_on(policy, dialogue, live)
    finally:
        for episode in live:
            episode.close()
    return sum(len(episode.steps) for episode in live) - before
