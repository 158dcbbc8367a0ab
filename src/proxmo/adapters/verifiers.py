"""Credit for verifiers' episodes: writes `MessageNode.advantages`, turn by turn.

from proxmo.adapters.verifiers import assign_advantages

assign_advantages(episodes, proxmo.ProxMO())
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any

from proxmo.adapters.versions import check_version
from proxmo.credit import Credit, Estimator, Steps
from proxmo.errors import InputError

check_version("verifiers")

import verifiers.v1 as vf  # noqa: E402  # after the check


def group_of(episode: vf.Episode) -> Hashable:
    """The rollout group that the trainer has assigned to an episode."""
    if episode.group is None:
        raise InputError(
            f"episode {episode.id!r} has no group; let the trainer assign one, or pass group="
        )
    return episode.group.id


def success_of(trace: vf.Trace) -> bool:
    """The metric `success` that the environment has recorded: 0 or 1."""
    success = trace.metrics.get("success")
    if success not in (0.0, 1.0):
        raise InputError(
            f"metric 'success' of trace {trace.id!r} is {success}; have the environment record 0 "
            "or 1 under that name, or pass success="
        )
    return bool(success)


def reward_at_end(trace: vf.Trace, turns: int) -> Sequence[float]:
    """The trace's reward at its last turn, which is where verifiers knows it."""
    return [0.0] * (turns - 1) + [trace.reward]


def always_valid(trace: vf.Trace, turns: int) -> Sequence[bool]:
    """No turn held an action that the environment refuses."""
    del trace
    return [True] * turns


def assign_advantages(
    episodes: Sequence[vf.Episode],
    credit: Estimator,
    *,
    agent: str | None = None,
    group: Callable[[vf.Episode], Hashable] = group_of,
    success: Callable[[vf.Trace], bool] = success_of,
    rewards: Callable[[vf.Trace, int], Sequence[float]] = reward_at_end,
    valid: Callable[[vf.Trace, int], Sequence[bool]] = always_valid,
) -> Credit:
    """Credit each turn of each trace, and write it to each of the turn's sampled tokens.

    A trace is a trajectory, a message that the model sampled is a turn, and what stands
    between it and the sampled message before is its observation. `rewards` and `valid` get
    a trace and its number of turns; `agent` restricts credit to the traces of one agent.
    Returns the credit itself, turn by turn in the order of episodes, traces and messages.

    Raises:
        InputError: when a trace has no sampled message (leave its whole group out), no group
            or no success flag.
    """
    traces = [
        (episode, trace)
        for episode in episodes
        for trace in episode.traces
        if agent is None or trace.agent.name == agent
    ]
    nodes: list[vf.MessageNode] = []
    columns: dict[str, list[Any]] = {
        name: []
        for name in ("group", "trajectory", "step", "observation", "reward", "success", "valid")
    }
    for episode, trace in traces:
        turns = [node for node in trace.nodes if node.sampled]
        if not turns:
            raise InputError(
                f"trace {trace.id!r} of episode {episode.id!r} has no sampled message; leave its "
                "whole group out, or its group's mean would be wrong"
            )
        nodes += turns
        columns["group"] += [group(episode)] * len(turns)
        columns["trajectory"] += [(episode.id, trace.id)] * len(turns)
        columns["step"] += range(len(turns))
        columns["observation"] += [_observation(trace, node) for node in turns]
        columns["reward"] += rewards(trace, len(turns))
        columns["success"] += [success(trace)] * len(turns)
        columns["valid"] += valid(trace, len(turns))
    result = credit(Steps(**columns))
    for node, advantage in zip(nodes, result.advantage.tolist(), strict=True):
        node.advantages = [advantage] * sum(node.mask)
    return result


def _observation(trace: vf.Trace, node: vf.MessageNode) -> str:
    """The text of the messages between a sampled message and the sampled one before."""
    texts: list[str] = []
    parent = node.parent
    while parent is not None and not trace.nodes[parent].sampled:
        texts.append(_text(trace.nodes[parent].message))
        parent = trace.nodes[parent].parent
    return "\n".join(reversed(texts))


def _text(message: Any) -> str:
    content = message.content
    if isinstance(content, str) or content is None:
        return content or ""
    return "\n".join(part.text for part in content if hasattr(part, "text"))
