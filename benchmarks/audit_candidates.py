"""Candidates for a better step level, for an audit of credit to judge: none is a method of proxmo.

Each is an estimator, `Steps` to `Credit`, of observation columns alone:

    for name, estimator in CANDIDATES.items():
        credit = estimator(steps)

    uv run python benchmarks/audit_candidates.py                      # what each costs
    uv run python benchmarks/audit_candidates.py audits/alfworld-1    # how an audit judges them
"""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
from scipy.sparse import csr_matrix

import proxmo
from proxmo.audit import judge
from proxmo.audit.record import read_record
from proxmo.credit import Credit, Estimator
from proxmo.credit.bellman import soft_bellman_values
from proxmo.credit.result import combine
from proxmo.credit.returns import lambda_advantages
from proxmo.credit.soft import soft_weights
from proxmo.credit.steps import Floats
from proxmo.credit.tfidf import WORDS, WORDS_AND_NUMBERS
from proxmo.credit.transitions import transitions_of

Rewrite = Callable[[proxmo.Steps], list[str]]
"""The texts to compare instead of the observations, one per step."""

GAMMA = 0.95
TAKEN = re.compile(r"^you (?:pick up|take) (?:the |an? )?(.+?)(?: from (?:the |an? )?.*)?[.!]?$")
PLACED = re.compile(
    r"^you (?:move|put|drop|place|leave) (?:the |an? )?(.+?)(?: (?:to|in|on|into)\b.*)?[.!]?$"
)


def read_as(rewrite: Rewrite, estimator: Estimator, steps: proxmo.Steps) -> Credit:
    """The estimator's credit where states are what `rewrite` makes of them."""
    return estimator(
        proxmo.Steps(
            group=steps.group,
            trajectory=steps.trajectory,
            step=steps.step,
            observation=rewrite(steps),
            reward=steps.reward,
            success=steps.success,
            valid=steps.valid,
        )
    )


def history(steps: proxmo.Steps, length: int) -> list[str]:
    """The last observations of the trajectory, this one included, at most `length`, joined."""
    texts = []
    for row in range(len(steps)):
        parts, at = [], row
        while at >= 0 and len(parts) < length:
            parts.append(str(steps.observation[at]))
            at = int(steps.before[at])
        texts.append("\n".join(reversed(parts)))
    return texts


def told(steps: proxmo.Steps) -> list[str]:
    """Each observation, and the last that answered a deed: its first sentence, "You ...".

    Where the agent is or what it sees is no deed: "You arrive", "You are", "You see".
    """
    return _running(steps, _last_deed)


def holding(steps: proxmo.Steps) -> list[str]:
    """Each observation, and what the agent holds where its observations tell it."""
    return _running(steps, _in_hand)


def _running(steps: proxmo.Steps, follow: Callable[[str, str], str]) -> list[str]:
    """Observations with a note that `follow(note, observation)` carries through a trajectory."""
    texts = [""] * len(steps)
    note = ""
    for row in steps.order.tolist():
        observation = str(steps.observation[row])
        note = follow("" if steps.before[row] < 0 else note, observation)
        texts[row] = f"{observation}\n{note}" if note else observation
    return texts


def _last_deed(note: str, observation: str) -> str:
    first = observation.strip().split("\n")[0].split(". ")[0]
    deed = re.match(r"You (?!arrive\b|are\b|see\b)\w+", first)
    return f"Before: {first}" if deed else note


def _in_hand(note: str, observation: str) -> str:
    first = observation.strip().split("\n")[0].lower()
    if taken := TAKEN.match(first):
        return f"carrying {taken[1]}"
    if (placed := PLACED.match(first)) and note == f"carrying {placed[1]}":
        return ""
    return note


def soft_values(steps: proxmo.Steps, temperature: float, token_pattern: str) -> Floats:
    """Soft Bellman values of the steps' states, (N,): V = W (r + gamma N V)."""
    transitions = transitions_of(steps)
    kernel = proxmo.ProxMOStep(token_pattern=token_pattern).text_similarity(
        steps.texts, np.bincount(steps.text_ids)
    )
    rewards = transitions.states.mean(steps.reward)
    values = soft_bellman_values(transitions, rewards, GAMMA, kernel, temperature)
    return values[transitions.states.of_step]


def fixed_point(
    steps: proxmo.Steps, *, lam: float, temperature: float = 0.1, token_pattern: str = WORDS
) -> Credit:
    """Temporal differences of soft Bellman values, with lambda."""
    values = soft_values(steps, temperature, token_pattern)
    return _differences(steps, values, lam)


def fixed_point_of_others(steps: proxmo.Steps, *, lam: float, temperature: float = 0.1) -> Credit:
    """The same, each trajectory's values solved from the other trajectories of its group alone.

    For trajectory i: V(b) = sum over the others' steps k of w_bk (r_k + gamma V(o_k+1)); its own
    states get their value from that. One dense solve per trajectory.
    """
    transitions = transitions_of(steps)
    states = transitions.states
    kernel = proxmo.ProxMOStep().text_similarity(steps.texts, np.bincount(steps.text_ids))
    values = np.zeros(len(steps))
    for group in range(len(states.bounds) - 1):
        low, high = int(states.bounds[group]), int(states.bounds[group + 1])
        text = states.text[low:high]
        similarity = kernel(text, text)
        rows = np.flatnonzero(steps.group_ids == group)
        own = steps.trajectory_ids[rows]
        for trajectory in np.unique(own):
            others, mine = rows[own != trajectory], rows[own == trajectory]
            if len(others) == 0:
                continue
            local = states.of_step[others] - low
            count = np.bincount(local, minlength=high - low)
            weights = soft_weights(
                np.where(count > 0, similarity, -np.inf), count, temperature
            ) / np.maximum(count, 1)
            reward = np.bincount(local, steps.reward[others], high - low)
            after = transitions.successor[others]
            inside = (after >= low) & (after < high)
            follow = csr_matrix(
                (np.ones(inside.sum()), (local[inside], after[inside] - low)),
                shape=(high - low, high - low),
            ).toarray()
            solved = np.linalg.solve(
                np.eye(high - low) - GAMMA * weights @ follow, weights @ reward
            )
            values[mine] = solved[states.of_step[mine] - low]
    credit = _differences(steps, values, lam)
    alone = np.bincount(steps.trajectory_groups)[steps.group_ids] == 1
    return combine(steps, step=np.where(alone, 0.0, credit.step), states=states)


def _differences(steps: proxmo.Steps, values: Floats, lam: float) -> Credit:
    charge = 0.1 * ~steps.valid
    return combine(steps, step=lambda_advantages(steps, values, GAMMA, lam) - charge)


def weighed(steps: proxmo.Steps, *, omega: float, lam: float) -> Credit:
    """omega times the episode level plus the step level."""
    credit = proxmo.ProxMO(lam=lam)(steps)
    return combine(steps, episode=omega * credit.episode, step=credit.step)


def _candidates() -> dict[str, Estimator]:
    found: dict[str, Estimator] = {}
    lams = (0.0, 0.5, 0.9, 1.0)
    for lam, temperature in product(lams, (0.03, 0.1, 0.3)):
        found[f"step lam={lam} tau={temperature}"] = proxmo.ProxMOStep(
            lam=lam, temperature=temperature
        )
    for lam in lams:
        method = proxmo.ProxMOStep(lam=lam)
        found[f"leave one out lam={lam}"] = proxmo.ProxMOStep(lam=lam, leave_one_out=True)
        found[f"numbers lam={lam}"] = proxmo.ProxMOStep(lam=lam, token_pattern=WORDS_AND_NUMBERS)
        found[f"history 2 lam={lam}"] = partial(read_as, partial(history, length=2), method)
        found[f"history 3 lam={lam}"] = partial(read_as, partial(history, length=3), method)
        found[f"last deed lam={lam}"] = partial(read_as, told, method)
        found[f"holding lam={lam}"] = partial(read_as, holding, method)
        found[f"fixed point lam={lam}"] = partial(fixed_point, lam=lam)
        found[f"fixed point numbers lam={lam}"] = partial(
            fixed_point, lam=lam, token_pattern=WORDS_AND_NUMBERS
        )
        found[f"fixed point of others lam={lam}"] = partial(fixed_point_of_others, lam=lam)
        found[f"fixed point holding lam={lam}"] = partial(
            read_as, holding, partial(fixed_point, lam=lam)
        )
        # The episode level weighs omega where the step level weighs 1; 0 is the step level alone.
        for omega in (0.1, 0.3, 1.0):
            found[f"both lam={lam} omega={omega}"] = partial(weighed, omega=omega, lam=lam)
    for share in (0.0, 0.05, 0.5, 1.0):
        found[f"modulation {share}"] = proxmo.ProxMO(modulation=share)
        found[f"modulation {share} lam=0"] = proxmo.ProxMO(modulation=share, lam=0.0)
    return found


CANDIDATES = _candidates()
"""Name -> estimator."""


def judged(folder: Path) -> None:
    """Judge them on what the audit in `folder` played, by their mean credit over four groups.

    Those that solve for every trajectory of every group that is drawn anew would take hours.
    """
    records = [read_record(file) for file in sorted((folder / "tasks").glob("[!.]*.parquet"))]
    methods = {name: proxmo.make(name) for name in ("proxmo", "gigpo", "g2po", "bellman", "grpo")}
    quick = {name: one for name, one in CANDIDATES.items() if "of others" not in name}
    findings = judge(
        records,
        methods | quick,
        on_progress=lambda done, total: print(f"{done} of {total}", end="\r", file=sys.stderr),
    )
    print(f"{len(findings.truth)} steps, reliability {findings.reliability.value:.2f}")
    print("correlation with the truth of mean credit over 1, 4, 16 groups; signal, %")
    for name in sorted(findings.methods, key=lambda name: -findings.of(name).averaged(4).value):
        one = findings.of(name)
        means = (one.averaged(1), one.averaged(4), one.averaged(16), one.expected_correlation)
        told = "  ".join(
            f"{mean.value:5.2f} ({mean.interval[0]:5.2f} to {mean.interval[1]:5.2f})"
            for mean in means
        )
        print(f"{name:34} {told}  {100 * one.signal.value:3.0f}")


def costs() -> None:
    """Run all on the batch of `benchmarks/credit.py` and print what each costs."""
    from credit import batch

    columns = batch(5_000, 16)
    for name, estimator in CANDIDATES.items():
        steps = proxmo.Steps(**columns)
        start = time.perf_counter()
        credit = estimator(steps)
        assert np.isfinite(credit.advantage).all(), name
        seconds = time.perf_counter() - start
        print(f"{name:34} {1000 * seconds:8.0f} ms, deviation {credit.advantage.std():.3f}")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        judged(Path(sys.argv[1]))
    else:
        costs()
