"""Reflexion's verbal feedback: what a policy writes about an attempt that failed.

Shinn et al., "Reflexion: Language Agents with Verbal Reinforcement Learning", 2023.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Sequence

import numpy as np

from proxmo.episodes.play import task_seed
from proxmo.errors import ProxmoWarning
from proxmo.policies.base import Policy, fits
from proxmo.prompts import Prompt
from proxmo.prompts.cutting import fitted
from proxmo.prompts.parsing import without_thoughts
from proxmo.text import clean
from proxmo.types import Trajectory

REMEMBERED = 3
"""Lessons of a task that are told, the latest ones (the paper keeps one to three)."""

_LONGEST_LESSON = 1500
_LONGEST_OBSERVATION = 400
"""Characters: a shop's page is longer, and a lesson seldom hangs on its end."""

_ROOM = " advice" * 100
"""What a lesson may take: in a conversation, prompt and response share the room."""

_TAGS = re.compile(r"</?(think|action)>")
_REQUEST = (
    "In a few sentences, say what went wrong and what you will do differently in the next "
    "attempt at the same task. Name things, places and actions. Write this advice only, no "
    "action."
)


def reflect(
    policy: Policy,
    failed: Sequence[Trajectory],
    lessons: Sequence[Sequence[str]],
    *,
    seed: int,
    trial: int,
    temperature: float,
    greedy: bool,
) -> list[str]:
    """A lesson from each failed attempt; empty where the policy wrote nothing.

    `lessons[i]` are the earlier ones of the task of `failed[i]`, `trial` the number of the
    attempt that failed, from 0. Of an attempt that is too long to tell, the oldest turns are left
    out; `ProxmoWarning` says so.
    """
    short_enough, room = fits(policy), _ROOM if policy.context == "conversation" else ""
    rngs = [np.random.default_rng([task_seed(seed, t.task), trial, 1]) for t in failed]
    dialogue = policy.open(rngs, temperature=temperature, greedy=greedy)
    prompts = [
        reflection_prompt(trajectory, told, lambda text: short_enough(text + room))
        for trajectory, told in zip(failed, lessons, strict=True)
    ]
    if any(prompt.cut for prompt in prompts):
        warnings.warn(
            "some failed attempts were too long to reflect on: their oldest turns were left out, "
            "then earlier advice; allow longer prompts with max_prompt_tokens",
            ProxmoWarning,
            stacklevel=2,
        )
    responses = dialogue.respond(range(len(failed)), [prompt.text for prompt in prompts])
    return [_lesson(response.text) for response in responses]


def reflection_prompt(
    trajectory: Trajectory, lessons: Sequence[str], fits: Callable[[str], bool] = lambda text: True
) -> Prompt:
    """What is asked after a failed attempt: the attempt, what became of it, the request.

    As much as `fits`: the oldest turns are left out first, then the lessons; the task, its outcome
    and the request never.
    """
    turns = [
        f"Observation: {_short(step.observation)}\nAction: {step.action}"
        for step in trajectory.steps
    ]
    goal = f"Your task was to: {trajectory.goal}\n\n" if trajectory.goal else ""

    def render(untold: int, _: Sequence[str], told: str) -> str:
        told = f"{told}\n\n" if told else ""
        later = ", without its oldest turns" if untold else ""
        attempt = "\n".join(turns[untold:])
        return (
            "You acted in a text environment, one action a turn, and did not accomplish your "
            f"task.\n\n{goal}{told}The attempt{later}:\n{attempt}\n\n"
            f"{_outcome(trajectory)} {_REQUEST}"
        )

    return fitted(render, len(turns), (), told_lessons(lessons), fits)


def told_lessons(lessons: Sequence[str]) -> str:
    """The latest lessons as guidance for another attempt; empty where there are none."""
    if not lessons:
        return ""
    listed = "\n".join(f"- {lesson}" for lesson in lessons[-REMEMBERED:])
    return f"You have tried this task before and failed. Your advice to yourself:\n{listed}"


def _outcome(trajectory: Trajectory) -> str:
    told = "You ran out of turns." if trajectory.truncated else "It ended without success."
    graded = "" if trajectory.score is None else f" It was graded {trajectory.score:.2f} of 1."
    return told + graded


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST_OBSERVATION else text[:_LONGEST_OBSERVATION] + " ..."


def _lesson(text: str) -> str:
    """Advice on one line: without the thoughts before it, unless there is nothing else."""
    told = without_thoughts(text)
    told = clean(told if told.strip() else text)
    return " ".join(_TAGS.sub(" ", told).split())[:_LONGEST_LESSON]
