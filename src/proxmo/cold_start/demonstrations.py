"""Episodes of an expert, played in the environment as a policy's are."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from proxmo.cold_start.progress import SftProgress, SftReport
from proxmo.envs.base import Task, TextEnv
from proxmo.envs.spec import EnvSpec
from proxmo.episodes.episode import LiveEpisode, error_text
from proxmo.errors import InputError
from proxmo.policies.base import Response

MOST = 0.5
"""Share of the demonstrations that have to succeed, for an expert to be worth imitating."""


@dataclass(frozen=True, slots=True)
class DemonstratedTurn:
    """A step of a demonstration."""

    goal: str
    observation: str
    action: str
    stumble: bool = False
    """Whether it was not what the expert chose."""


@dataclass(frozen=True, slots=True)
class Demonstrations:
    """What an expert played, and how much of it is worth imitating."""

    episodes: list[list[DemonstratedTurn]]
    """Those that succeeded, in the order of their tasks."""
    played: int
    """Episodes that came to an end of their own: successes and failures."""
    errors: int
    """Episodes that the environment, or the expert, broke off."""
    first_error: str | None
    failed_types: dict[str, int]
    """Task type -> failures."""


def demonstrate(
    spec: EnvSpec,
    tasks: Sequence[Task],
    *,
    seed: int,
    stumble: float = 0.0,
    max_steps: int | None = None,
    report: SftReport | None = None,
) -> Demonstrations:
    """Let the expert play every task.

    At a share `stumble` of the steps something else is done than what the expert chose: an
    action that is admissible, or that was earlier in the episode and may not be any more. What
    raises, an environment or an expert, costs its episode only.
    """
    episodes: list[list[DemonstratedTurn]] = []
    failed: Counter[str] = Counter()
    errors: list[str] = []
    stage = _Stage(spec, max_steps)
    try:
        for number, task in enumerate(tasks):
            rng = random.Random(f"{seed}/{number}")
            episode = LiveEpisode(task, 0, seed, stage.env)
            turns = _play(spec, episode, seed + number, stumble, rng)
            if episode.error is not None:
                errors.append(episode.error)
                stage.clear()  # whatever broke is not played in again
            elif episode.success:
                episodes.append(turns)
            else:
                failed[task.task_type] += 1
            if report is not None:
                done, solved = number + 1, len(episodes)
                report(
                    SftProgress(
                        "demonstrations", done, len(tasks), solved=solved, errors=len(errors)
                    )
                )
    finally:
        stage.clear()
    return Demonstrations(
        episodes,
        played=len(tasks) - len(errors),
        errors=len(errors),
        first_error=errors[0] if errors else None,
        failed_types=dict(failed),
    )


def require_most(found: Demonstrations, spec: EnvSpec, max_steps: int | None) -> None:
    """Raise `InputError` unless most of the episodes that came to an end succeeded."""
    solved = len(found.episodes)
    if found.played and solved > MOST * found.played:
        return
    if not found.played:
        raise InputError(
            f"environment {spec.name!r} broke off all {found.errors} demonstrations; the first "
            f"error was: {found.first_error}"
        )
    types = ", ".join(f"{kind} {count}" for kind, count in sorted(found.failed_types.items()))
    told = f"; {found.errors} more broke off ({found.first_error})" if found.errors else ""
    raise InputError(
        f"the expert solved {solved} of {found.played} tasks of {spec.name!r} in at most "
        f"{max_steps or spec.max_steps} steps (failures by task type: {types}){told}. A policy "
        "that imitates this learns to fail: allow more steps (--max-steps), or give tasks that "
        "the expert can solve"
    )


class _Stage:
    """One environment for all demonstrations, made when it is first needed."""

    def __init__(self, spec: EnvSpec, max_steps: int | None) -> None:
        self._spec = spec
        self._max_steps = max_steps
        self._env: TextEnv | None = None

    def env(self) -> TextEnv:
        if self._env is None:
            self._env = self._spec.make(max_steps=self._max_steps)
        return self._env

    def clear(self) -> None:
        """Close the environment; the next demonstration has a new one."""
        env, self._env = self._env, None
        with suppress(Exception):  # what was played stands, whatever `close` does
            if env is not None:
                env.close()


def _play(
    spec: EnvSpec, episode: LiveEpisode, seed: int, stumble: float, rng: random.Random
) -> list[DemonstratedTurn]:
    turns: list[DemonstratedTurn] = []
    known: dict[str, None] = {}  # admissible so far; a dictionary keeps their order
    expert = spec.make_expert(seed=seed)
    episode.start()
    try:
        if not episode.ended:
            expert.reset(episode.observation)
        while not episode.ended:
            action = expert.act(episode.observation, list(episode.actions))
            known.update(dict.fromkeys(episode.actions))
            stumbles = rng.random() < stumble
            if stumbles:
                action = rng.choice(list(known))
            turns.append(DemonstratedTurn(episode.goal, episode.observation, action, stumbles))
            episode.act("", Response(action), action, well_formed=True)
    except Exception as error:  # not the environment's, which ends the episode
        with episode.guarded():
            raise RuntimeError(f"the expert raised {error_text(error)}") from error
    return turns
