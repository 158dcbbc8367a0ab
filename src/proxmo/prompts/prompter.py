"""Observation and history to the text a policy reads; its response to an action.

Three styles. `think` is the paper's: reason inside <think></think>, answer inside
<action></action>, with the admissible actions listed. `compact` is bare: the policy reads
observations and writes actions, nothing else, which is what a small model trained on the
environment itself needs. `numbered` is compact with article numbers, such as B0N1C5U30D, read
and written as #1, #2 and so on, in the order in which the observation shows them, and actions
written with a space, "click[ red]": a tokenizer then has one token for a word, wherever it stands.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

PromptStyle = Literal["compact", "numbered", "think"]

_ARTICLE = re.compile(r"\b[A-Z](?=[A-Z]*[0-9])[A-Z0-9]{7,}\b")
_NUMBER = re.compile(r"(?<=\[)#([0-9]+)(?=\])")

_THOUGHT = re.compile(r"<think>.*?</think>", re.DOTALL)
_ACTION = re.compile(r"<action>(.*?)</action>", re.DOTALL)
# What a model that was shown whole episodes may go on to write after its action.
_INVENTED = re.compile(r"(?<=</action>)\s*\n\s*Observation\b.*", re.DOTALL)

_RULES = (
    "You act in a text environment, one action a turn, until your task is done.\n"
    "First reason about what to do next inside <think> </think>. Then give one admissible "
    "action, and nothing else, inside <action> </action>."
)


@dataclass(frozen=True, slots=True)
class Prompter:
    """Writes prompts and reads responses in one style.

    `guidance` is text told before the task, such as examples; none for a trained policy.
    """

    style: PromptStyle = "compact"
    history: int = 2
    """Past turns in a window prompt (paper: 2)."""

    def opening(
        self, goal: str, observation: str, actions: Sequence[str], guidance: str = ""
    ) -> str:
        """The first message of a conversation."""
        told = _paragraph(guidance)
        if self.style != "think":
            return told + self._shown(observation)
        return f"{_RULES}\n\n{told}{_task(goal)}{_situation(observation, actions)}"

    def following(self, observation: str, actions: Sequence[str]) -> str:
        """A later message of a conversation: only what the last action changed."""
        if self.style != "think":
            return self._shown(observation)
        return _situation(observation, actions)

    def window(
        self,
        goal: str,
        past: Sequence[tuple[str, str]],
        observation: str,
        actions: Sequence[str],
        guidance: str = "",
    ) -> str:
        """A prompt that stands alone: the task, the last turns and the present.

        `past` holds every earlier (observation, action) of the episode, oldest first; the
        last `history` of them are told. Of those before, a `think` prompt tells nothing, the
        others the actions.
        """
        first = max(0, len(past) - self.history)
        earlier, recent = past[:first], past[first:]
        if self.style != "think":
            told = [f"> {self.response('', done, seen)}\n" for seen, done in earlier]
            told += [
                f"{self._shown(seen)}\n> {self.response('', done, seen)}\n" for seen, done in recent
            ]
            # A page of a shop tells the task itself.
            task = "" if goal in observation else _task(goal)
            return f"{_paragraph(guidance)}{task}{''.join(told)}{self._shown(observation)}"
        told = "".join(
            f"Observation {turn}: {seen}\nAction {turn}: {done}\n"
            for turn, (seen, done) in enumerate(recent, start=first + 1)
        )
        if told:
            told = f"You have acted {len(past)} times. The last turns were:\n{told}\n"
        rules = f"{_RULES}\n\n{_paragraph(guidance)}"
        return f"{rules}{_task(goal)}{told}{_situation(observation, actions)}"

    def response(self, thought: str, action: str, observation: str = "") -> str:
        """The response that says `action` after `thought` to `observation`: what `parse` reads."""
        if self.style == "compact":
            return action
        if self.style == "numbered":
            return _numbered(action, observation).replace("[", "[ ", 1)
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

        A `think` response needs both its parts; observations that it goes on to invent, and
        what it would do then, are left out. What cannot be parsed is sent as it is, cut
        to its end, so that the environment answers it as it answers any nonsense.
        """
        if self.style != "think":
            action = response.strip()
            if self.style == "numbered":
                action = action.replace("[ ", "[", 1)
                articles = dict(enumerate(_articles(observation), 1))
                action = _NUMBER.sub(lambda found: articles.get(int(found[1]), found[0]), action)
            return action, bool(action)
        response = _INVENTED.sub("", response)
        found = _ACTION.findall(response)
        if not found:
            return response.strip()[-100:], False
        return found[-1].strip(), _THOUGHT.search(response) is not None

    def _shown(self, observation: str) -> str:
        """The observation as it is read without the paper's frame."""
        return _numbered(observation, observation) if self.style == "numbered" else observation


def _numbered(text: str, observation: str) -> str:
    """`text` with the articles of `observation` by number."""
    numbers = {article: f"#{n}" for n, article in enumerate(_articles(observation), 1)}
    return _ARTICLE.sub(lambda found: numbers.get(found[0], found[0]), text)


def _articles(observation: str) -> list[str]:
    """Article numbers in an observation, each once, in the order in which they stand there."""
    return list(dict.fromkeys(_ARTICLE.findall(observation)))


def _paragraph(guidance: str) -> str:
    return f"{guidance}\n\n" if guidance else ""


def _task(goal: str) -> str:
    return f"Your task is to: {goal}\n\n" if goal else ""


def _situation(observation: str, actions: Sequence[str]) -> str:
    listed = "\nAdmissible actions: " + ", ".join(f"'{a}'" for a in actions) if actions else ""
    return f"Observation: {observation}{listed}"
