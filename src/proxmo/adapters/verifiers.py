"""Credit for verifiers' episodes: writes `MessageNode.advantages`, turn by turn.

from proxmo.adapters.verifiers import assign_advantages

assign_advantages(episodes, proxmo.ProxMO())
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any

import numpy as np

from proxmo.adapters.failures import credit_played
from proxmo.adapters.methods import estimator_of
from proxmo.adapters.versions import check_version
from proxmo.credit import Credit, Estimator
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
    credit: str | Estimator,
    *,
    agent: str | None = None,
    group: Callable[[vf.Episode], Hashable] = group_of,
    success: Callable[[vf.Trace], bool] = success_of,
    rewards: Callable[[vf.Trace, int], Sequence[float]] = reward_at_end,
    valid: Callable[[vf.Trace, int], Sequence[bool]] = always_valid,
) -> Credit:
    """Credit each turn of each trace, and write it to each of the turn's sampled tokens.

    `credit` is an estimator or a name of `proxmo.CREDIT`, for its defaults.
    A trace is a trajectory, a message that the model sampled is a turn, and what stands
    between it and the sampled message before is its observation. `rewards` and `valid` get
    a trace and its number of turns; `agent` restricts credit to the traces of one agent.
    Returns the credit itself, turn by turn in the order of episodes, traces and messages, of the
    traces that did not fail.

    A trace that failed (`ok` is not set, and it or its episode has an error) tells nothing of the
    model: the advantages of its turns are 0, it enters no mean of its group, and `success`,
    `rewards` and `valid` are not asked for it.

    Raises:
        InputError: when a trace that did not fail has no sampled message (leave its whole group
            out), no group or no success flag.
        ProxmoError: when every trace failed.
    """
    traces = [
        (episode, trace)
        for episode in episodes
        for trace in episode.traces
        if agent is None or trace.agent.name == agent
    ]
    estimator = estimator_of(credit)
    nodes: list[vf.MessageNode | None] = []
    columns: dict[str, list[Any]] = {
        name: []
        for name in ("group", "trajectory", "step", "observation", "reward", "success", "valid")
    }
    errors: list[str | None] = []
    for episode, trace in traces:
        turns = [node for node in trace.nodes if node.sampled]
        error = _error(episode, trace)
        if error is not None:  # one row stands for it, whether it had turns or not
            for node in turns:
                node.advantages = [0.0] * sum(node.mask)
            rows, told = [None], ([""], [0.0], False, [True])
        elif turns:
            rows = turns
            seen = [_observation(trace, node) for node in turns]
            count = len(turns)
            told = (seen, rewards(trace, count), success(trace), valid(trace, count))
        else:
            raise InputError(
                f"trace {trace.id!r} of episode {episode.id!r} has no sampled message; leave its "
                "whole group out, or its group's mean would be wrong"
            )
        nodes += rows
        errors += [error] * len(rows)
        columns["group"] += [group(episode)] * len(rows)
        columns["trajectory"] += [(episode.id, trace.id)] * len(rows)
        columns["step"] += range(len(rows))
        columns["observation"] += told[0]
        columns["reward"] += told[1]
        columns["success"] += [told[2]] * len(rows)
        columns["valid"] += told[3]
    result = credit_played(estimator, columns, errors)
    for node, advantage in zip(nodes, result.advantage.tolist(), strict=True):
        if node is not None:
            node.advantages = [advantage] * sum(node.mask)
    whole = np.array([node is not None for node in nodes], dtype=bool)
    parts = (result.advantage[whole], result.episode[whole], result.step[whole])
    return Credit(*parts, result.diagnostics)


def _error(episode: vf.Episode, trace: vf.Trace) -> str | None:
    """What broke the trace, or its whole episode; None where nothing did.

    One that was tried again and went well has errors, and is well.
    """
    for record in (trace, episode):
        if not record.ok and record.last_error is not None:
            return f"{record.last_error.type}: {record.last_error.message}"
    return None


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
