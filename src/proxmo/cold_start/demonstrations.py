"""Episodes of an expert, played in the environment as a policy's are."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from proxmo.cold_start.progress import SftProgress, SftReport
from proxmo.envs.base import Task
from proxmo.envs.noise import quiet
from proxmo.envs.spec import EnvSpec
from proxmo.episodes.episode import LiveEpisode, error_text
from proxmo.errors import InputError
from proxmo.policies.base import Response
from proxmo.text import clean

TRIED = 40
"""Tasks on which an expert is tried before it shows anything."""
MOST = 0.5
"""Share of these that it has to solve, to be worth imitating; share of all demonstrations that
have to come to an end of their own."""


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
    noise: float = 0.0,
    report: SftReport | None = None,
) -> Demonstrations:
    """Let the expert play every task.

    At a share `stumble` of the steps something else is done than what the expert chose: an
    action that is admissible, or that was earlier in the episode and may not be any more. What
    raises, an environment or an expert, costs its episode only. A share `noise` of what is shown
    has noise; the expert, who need not learn to pass over it, plays without.
    """
    if spec.expert is None:
        spec.make_expert(seed)  # says so, and the way out
    episodes: list[list[DemonstratedTurn]] = []
    failed: Counter[str] = Counter()
    errors: list[str] = []
    for number, task in enumerate(tasks):
        rng = random.Random(f"{seed}/{number}")
        episode = LiveEpisode(
            task, number, seed, lambda: spec.make(max_steps=max_steps), noise=noise
        )
        try:
            turns = _play(spec, episode, seed + number, stumble, rng)
        finally:
            episode.close()
        if episode.error is not None:
            errors.append(episode.error)
        elif episode.success:
            episodes.append(turns)
        else:
            failed[task.task_type] += 1
        if report is not None:
            done, solved = number + 1, len(episodes)
            report(
                SftProgress("demonstrations", done, len(tasks), solved=solved, errors=len(errors))
            )
    return Demonstrations(
        episodes,
        played=len(tasks) - len(errors),
        errors=len(errors),
        first_error=errors[0] if errors else None,
        failed_types=dict(failed),
    )


def try_expert(
    spec: EnvSpec, tasks: Sequence[Task], *, seed: int, max_steps: int | None = None
) -> None:
    """Raise `InputError` unless the expert, left to itself, solves most of the first tasks.

    What it shows later tells less of it: in a shop, a single step in its stead may buy the wrong
    thing.
    """
    tried = demonstrate(spec, tasks[:TRIED], seed=seed, max_steps=max_steps)
    _require_ends(tried, spec)
    solved = len(tried.episodes)
    if solved > MOST * tried.played:
        return
    types = ", ".join(f"{kind} {count}" for kind, count in sorted(tried.failed_types.items()))
    told = f"; {tried.errors} more broke off ({tried.first_error})" if tried.errors else ""
    raise InputError(
        f"the expert solved {solved} of {tried.played} tasks of {spec.name!r}, on which it was "
        f"tried, in at most {max_steps or spec.max_steps} steps (failures by task type: {types})"
        f"{told}. A policy that imitates this learns to fail: allow more steps (--max-steps), or "
        "give tasks that the expert can solve"
    )


def require_successes(found: Demonstrations, spec: EnvSpec, stumble: float) -> None:
    """Raise `InputError` where there is nothing to imitate, or most of it broke off."""
    _require_ends(found, spec)
    if not found.episodes:
        raise InputError(
            f"none of {found.played} demonstrations of {spec.name!r} succeeded with a share of "
            f"{stumble:g} of random steps; lower --sft.stumble"
        )


def _require_ends(found: Demonstrations, spec: EnvSpec) -> None:
    total = found.played + found.errors
    if not found.played or found.played < MOST * total:
        raise InputError(
            f"{found.errors} of {total} demonstrations of {spec.name!r} broke off; the first error "
            f"was: {found.first_error}"
        )


def _play(
    spec: EnvSpec, episode: LiveEpisode, seed: int, stumble: float, rng: random.Random
) -> list[DemonstratedTurn]:
    turns: list[DemonstratedTurn] = []
    known: dict[str, None] = {}  # admissible so far; a dictionary keeps their order
    episode.start()
    try:
        expert = spec.make_expert(seed=seed)
        if not episode.ended:
            expert.reset(quiet(episode.observation))
        while not episode.ended:
            action = expert.act(quiet(episode.observation), list(episode.actions))
            if not isinstance(action, str):
                raise TypeError(f"its action is {action!r}, not a text")
            known.update(dict.fromkeys(episode.actions))
            stumbles = rng.random() < stumble and bool(known)  # nothing to stumble on otherwise
            if stumbles:
                action = rng.choice(list(known))
            action = clean(action)
            turns.append(DemonstratedTurn(episode.goal, episode.observation, action, stumbles))
            episode.act("", Response(action), action, well_formed=True)
    except Exception as error:  # not the environment's, which ends the episode
        with episode.guarded():
            raise RuntimeError(f"the expert raised {error_text(error)}") from error
    return turns
