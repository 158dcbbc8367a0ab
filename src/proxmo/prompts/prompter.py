"""The texts of the three styles in which a policy is asked and answers.

`think` is the paper's: reason inside <think></think>, answer inside <action></action>, with the
admissible actions listed. `compact` is bare: the policy reads observations and writes actions,
nothing else, which is what a small model trained on the environment itself needs. `numbered` is
compact with texts as the environment's codec writes them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from proxmo.errors import InputError
from proxmo.prompts.codec import Codec, Verbatim
from proxmo.prompts.cutting import Prompt, fitted
from proxmo.prompts.parsing import parse
from proxmo.types import Context

PromptStyle = Literal["compact", "numbered", "think"]

_RULES = (
    "You act in a text environment, one action a turn, until your task is done.\n"
    "First reason about what to do next inside <think> </think>. Then give one admissible "
    "action, and nothing else, inside <action> </action>."
)
_VERBATIM = Verbatim()


@dataclass(frozen=True, slots=True)
class Prompter:
    """Writes prompts and reads responses in one style.

    Wherever it takes `guidance`, that is text told before the task, such as examples; none for a
    trained policy. Raises `InputError` for the style `numbered` without a codec.
    """

    style: PromptStyle = "compact"
    history: int = 2
    """Past turns in a window prompt (paper: 2)."""
    codec: Codec | None = None
    """The environment's, for the style `numbered`; the others show texts as they are."""
    list_actions: bool = True
    """Whether `think` prompts list the admissible actions."""
    opened: str = ""
    """What the chat template says for the policy before each response, such as "<think>"."""

    def __post_init__(self) -> None:
        if self.style == "numbered" and self.codec is None:
            raise InputError(
                "prompt style 'numbered' needs an environment that has a codec for its texts, and "
                "this one has none; use 'compact' or 'think'"
            )

    def opening(
        self, goal: str, observation: str, actions: Sequence[str], guidance: str = ""
    ) -> str:
        """The first message of a conversation."""
        told = _paragraph(guidance)
        if self.style != "think":
            return told + self._texts.shown(observation, observation)
        return f"{_RULES}\n\n{told}{_task(goal)}{self._situation(observation, actions)}"

    def following(self, observation: str, actions: Sequence[str]) -> str:
        """A later message of a conversation: only what the last action changed."""
        if self.style != "think":
            return self._texts.shown(observation, observation)
        return self._situation(observation, actions)

    def window(
        self,
        goal: str,
        past: Sequence[tuple[str, str]],
        observation: str,
        actions: Sequence[str],
        guidance: str = "",
        *,
        untold: int = 0,
    ) -> str:
        """A prompt that stands alone: the task, the last turns and the present.

        `past` holds every earlier (observation, action) of the episode, oldest first; the
        last `history` of them are told. Of those before, a `think` prompt tells nothing, the
        others the actions. Of the oldest `untold` nothing is told.
        """
        first = max(0, len(past) - self.history)
        if self.style != "think":
            shown = self._texts.shown
            told = [f"> {self.response('', done, seen)}\n" for seen, done in past[untold:first]]
            told += [
                f"{shown(seen, seen)}\n> {self.response('', done, seen)}\n"
                for seen, done in past[max(first, untold) :]
            ]
            # A page of a shop tells the task itself.
            task = "" if goal in observation else _task(goal)
            present = shown(observation, observation)
            return f"{_paragraph(guidance)}{task}{''.join(told)}{present}"
        first = max(first, untold)
        told = "".join(
            f"Observation {turn}: {seen}\nAction {turn}: {done}\n"
            for turn, (seen, done) in enumerate(past[first:], start=first + 1)
        )
        if told:
            told = f"You have acted {len(past)} times. The last turns were:\n{told}\n"
        rules = f"{_RULES}\n\n{_paragraph(guidance)}"
        return f"{rules}{_task(goal)}{told}{self._situation(observation, actions)}"

    def turn(
        self,
        context: Context,
        goal: str,
        past: Sequence[tuple[str, str]],
        observation: str,
        actions: Sequence[str],
        guidance: str = "",
        fits: Callable[[str], bool] = lambda prompt: True,
    ) -> Prompt:
        """What a turn adds to a conversation, or all that a window shows: as much as fits.

        `past` holds every earlier (observation, action) of the episode, oldest first. `fits` says
        whether a prompt that stands alone, of a window or a first one, is short enough; a later
        message of a conversation has nothing that could be left out.
        """
        if past and context == "conversation":
            return Prompt(self.following(observation, actions))

        def render(untold: int, listed: Sequence[str], told: str) -> str:
            if context == "window":
                return self.window(goal, past, observation, listed, told, untold=untold)
            return self.opening(goal, observation, listed, told)

        return fitted(render, len(past), actions, guidance, fits)

    def response(self, thought: str, action: str, observation: str = "") -> str:
        """The response that says `action` after `thought` to `observation`: what `parse` reads."""
        if self.style != "think":
            return self._texts.said(action, observation)
        return f"<think>{thought}</think><action>{action}</action>"

    def example(self, goal: str, observation: str, turns: Sequence[tuple[str, str, str]]) -> str:
        """A whole episode as guidance, in the form in which the policy plays its own.

        `turns` holds every (thought, action, observation that followed), oldest first.
        """
        lines = [_task(goal) + self.following(observation, ())]
        for thought, action, seen in turns:
            lines += [self.response(thought, action), self.following(seen, ())]
        return "\n".join(lines)

    def parse(self, response: str, observation: str = "") -> tuple[str, bool]:
        """The action in a response to `observation`, and whether it keeps to the format.

        A `think` response, with what the chat template opened for it, needs both its parts; the
        others need to say anything. See `proxmo.prompts.parsing`.
        """
        if self.style == "think":
            return parse(response, self.opened)
        action = self._texts.meant(response.strip(), observation)
        return action, bool(action)

    def _situation(self, observation: str, actions: Sequence[str]) -> str:
        listed = ""
        if actions and self.list_actions:
            listed = "\nAdmissible actions: " + ", ".join(f"'{action}'" for action in actions)
        return f"Observation: {observation}{listed}"

    @property
    def _texts(self) -> Codec:
        """How texts are written without the paper's frame."""
        return self.codec if self.codec and self.style == "numbered" else _VERBATIM


def _paragraph(guidance: str) -> str:
    return f"{guidance}\n\n" if guidance else ""


def _task(goal: str) -> str:
    return f"Your task is to: {goal}\n\n" if goal else ""
