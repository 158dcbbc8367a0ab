"""The record of what an agent did: steps and trajectories.

Written by `proxmo.episodes.play`, read by everything after it. Plain data: no torch, no I/O.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Context = Literal["window", "conversation"]
"""How a policy sees the past.

`window`: every step's prompt is built anew from the last few turns (a step is a sequence).
`conversation`: the dialogue is one growing sequence (a trajectory is a sequence).
"""

FailedEpisodes = Literal["drop", "fail"]
"""What becomes of episodes that their environment broke off."""


@dataclass(frozen=True, slots=True)
class Step:
    """One turn: what the agent saw, said and did, and what came of it."""

    observation: str
    """Text of the state in which the agent acted; what credit compares."""
    prompt: str
    """Text the policy was given this turn; in a conversation, only what this turn adds."""
    response: str
    """Text the policy produced."""
    action: str
    """The part of the response that was sent to the environment."""
    reward: float
    valid: bool
    """Whether the response parsed and the environment admitted the action."""
    prompt_ids: Sequence[int] = ()
    """All tokens that stood before the response, whatever the context: in a conversation those of
    the earlier turns, too. A tuple or `proxmo.tokens.Tokens`, of which a conversation's turns
    share theirs."""
    response_ids: tuple[int, ...] = ()
    """Sampled tokens, end-of-turn token included; empty when no token was sampled."""
    logprobs: tuple[float, ...] = ()
    """Log-probability of each response token under the policy that sampled it."""
    cut: bool = False
    """Whether the prompt left out turns, the list of actions or guidance for want of room."""


@dataclass(frozen=True, slots=True)
class Trajectory:
    """The record of one episode: one policy, one environment, one task."""

    id: str
    """Unique within a batch."""
    group: str
    """Shared by the trajectories sampled for the same task from the same start."""
    task: str
    """The environment's name for the task, of which all files of results speak."""
    task_type: str
    seed: int
    steps: tuple[Step, ...]
    """At least one, also when the environment failed at once."""
    success: bool
    """Reported by the environment, never guessed from the size of the reward."""
    truncated: bool = False
    """Ended by the step limit or by an error, not by the task."""
    error: str | None = None
    """What the environment raised, when it did: says nothing of the policy."""
    score: float | None = None
    """The environment's own grade of the episode in [0, 1], where it gives one
    (`info["score"]`); training and success do not depend on it."""
    context: Context = "window"
    goal: str = ""
    """What was to be done, where the environment says it."""

    @property
    def reward(self) -> float:
        """The episode's reward: the sum over its steps."""
        return sum(step.reward for step in self.steps)

    @property
    def failed(self) -> bool:
        """Whether the environment broke: the episode tells nothing of the policy."""
        return self.error is not None
