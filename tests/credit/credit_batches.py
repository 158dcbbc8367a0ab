"""Small batches for the tests of credit, and ProxMO as plain loops over their rows."""

import math
from typing import Any, NamedTuple

import numpy as np
from hypothesis import strategies as st
from sklearn.feature_extraction.text import TfidfVectorizer

import proxmo

TEXTS = (
    "You are in the middle of a room.",
    "You arrive at cabinet 1. The cabinet 1 is closed.",
    "You arrive at countertop 2. On the countertop 2, you see a mug 1.",
    "You open the fridge 1. In it, you see an apple 3 and a lettuce 1.",
    "Nothing happens.",
)
"""Distinct texts that are distinct to TF-IDF too."""


class Row(NamedTuple):
    """One step of a batch."""

    group: Any
    trajectory: Any
    step: int
    observation: str = "here we are"
    reward: float = 0.0
    success: bool = False
    valid: bool = True


def steps_of(rows: list[Row]) -> proxmo.Steps:
    return proxmo.Steps(**{name: [getattr(row, name) for row in rows] for name in Row._fields})


def episode(group, trajectory, rewards, texts=None, success=False, valid=None) -> list[Row]:
    """The rows of one trajectory."""
    texts = texts or ["here we are"] * len(rewards)
    valid = valid or [True] * len(rewards)
    return [
        Row(group, trajectory, step, text, reward, success, ok)
        for step, (reward, text, ok) in enumerate(zip(rewards, texts, valid, strict=True))
    ]


@st.composite
def batches(draw, texts=TEXTS, min_groups=1) -> list[Row]:
    """A batch of up to three groups, four trajectories each, five steps each."""
    rows: list[Row] = []
    for group in range(draw(st.integers(min_groups, 3))):
        for number in range(draw(st.integers(1, 4))):
            success = draw(st.booleans())
            for step in range(draw(st.integers(1, 5))):
                reward = draw(st.sampled_from([0.0, 0.0, 1.0, 10.0, -0.5]))
                text, valid = draw(st.sampled_from(texts)), draw(st.booleans())
                rows.append(Row(group, f"{group}-{number}", step, text, reward, success, valid))
    return rows


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def plain_returns(rows: list[Row], gamma: float, penalty: float) -> list[float]:
    """G_it - c [invalid], row by row."""
    return [
        sum(
            gamma ** (other.step - row.step) * other.reward
            for other in rows
            if other.trajectory == row.trajectory and other.step >= row.step
        )
        - penalty * (not row.valid)
        for row in rows
    ]


def plain_episode(rows: list[Row], alpha: float, modulation: float, penalty: float) -> list[float]:
    """w(s_i, p_g) (R_i - c [invalid] - mean_g(R)), row by row."""
    beta = modulation / (sigmoid(1) - 0.5)
    result = []
    for row in rows:
        peers = {other.trajectory for other in rows if other.group == row.group}
        reward = {
            name: sum(other.reward for other in rows if other.trajectory == name) for name in peers
        }
        successes = {name for name in peers if any(o.success for o in rows if o.trajectory == name)}
        p = len(successes) / len(peers)
        f = sigmoid((1 - p) ** alpha) - 0.5 if row.success else sigmoid(-(p**alpha)) - 0.5
        mean = sum(reward.values()) / len(peers)
        relative = reward[row.trajectory] - penalty * (not row.valid) - mean
        result.append((1 + beta * f) * relative)
    return result


def plain_step(rows: list[Row], gamma: float, temperature: float, penalty: float) -> list[float]:
    """G_it - b_it, row by row, over the rows of the group."""
    returns = plain_returns(rows, gamma, penalty)
    vectorizer = TfidfVectorizer(max_features=1024)
    phi = np.asarray(vectorizer.fit_transform([row.observation for row in rows]).todense())
    result = []
    for i, row in enumerate(rows):
        group = [k for k, other in enumerate(rows) if other.group == row.group]
        weights = [math.exp(float(phi[i] @ phi[k]) / temperature) for k in group]
        baseline = sum(w * returns[k] for w, k in zip(weights, group, strict=True)) / sum(weights)
        result.append(returns[i] - baseline)
    return result
