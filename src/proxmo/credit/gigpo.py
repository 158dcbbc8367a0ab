"""GiGPO: Group-in-Group Policy Optimization (Feng et al. 2025, arXiv 2505.10978)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import get_args

import numpy as np

from proxmo.credit.diagnostics import baseline_diagnostics
from proxmo.credit.episode import Normalize, episode_advantages
from proxmo.credit.groups import group_mean, group_std, scale_by_std
from proxmo.credit.options import check_choice, check_finite, check_range
from proxmo.credit.result import Credit, combine
from proxmo.credit.returns import step_returns
from proxmo.credit.states import States, distinct_states
from proxmo.credit.steps import Ints, Steps


def canonical_rows(steps: Steps) -> Ints:
    """The rows by trajectory id, then by step: an order that does not depend on how they came.

    Numbers within an id count by value, so that "t2" comes before "t10".
    """
    keys = [_by_value(repr(label)) for label in steps.trajectory_labels]
    rank = np.empty(len(keys), np.intp)
    rank[sorted(range(len(keys)), key=keys.__getitem__)] = np.arange(len(keys))
    return np.lexsort((steps.step, rank[steps.trajectory_ids]))


def _by_value(name: str) -> tuple[list[str | int], str]:
    """A sort key in which the numbers of a name are numbers; the name itself breaks ties."""
    parts = re.split(r"(\d+)", name)  # every second part is a number
    return [int(part) if i % 2 else part for i, part in enumerate(parts)], name


def similar_clusters(steps: Steps, states: States, threshold: float, rows: Ints) -> Ints:
    """Anchor groups by likeness of text: number of each step's cluster, (N,).

    Going through `rows`, a step joins the first cluster of its group whose representative
    has a difflib ratio >= `threshold` with its text, else it founds one and represents it.
    """
    visited, first = np.unique(states.of_step[rows], return_index=True)
    cluster = np.empty(len(states.text), np.intp)
    founders: dict[int, list[int]] = {}
    # A text that comes again finds the cluster it found before: each is asked once.
    for state in visited[np.argsort(first)].tolist():
        group = int(np.searchsorted(states.bounds, state, "right")) - 1
        text = steps.texts[states.text[state]]
        known = founders.setdefault(group, [])
        for founder in known:
            if _alike(text, steps.texts[states.text[founder]], threshold):
                cluster[state] = founder
                break
        else:
            known.append(state)
            cluster[state] = state
    return np.unique(cluster, return_inverse=True)[1].reshape(-1)[states.of_step]


def _alike(text: str, other: str, threshold: float) -> bool:
    """Whether the difflib ratio reaches `threshold`; its two cheap upper bounds go first."""
    matcher = SequenceMatcher(None, text, other)
    bounds = (matcher.real_quick_ratio, matcher.quick_ratio, matcher.ratio)
    return all(bound() >= threshold for bound in bounds)


@dataclass(frozen=True, slots=True)
class GiGPO:
    """The episode's advantage, plus each step compared with the same state in its group.

        A_it = A_i^E + omega A_it^S,    A_it^S = G_it - mean of G over the anchor group

    The anchor group of a step: the steps of its group with the same text or, given a
    `similarity_threshold`, with a text alike enough. A step alone in its group gets 0.
    """

    gamma: float = 0.95
    """Discount of later rewards, in [0, 1]."""
    step_weight: float = 1.0
    """omega >= 0: weight of the step-level advantage."""
    normalize: Normalize = "mean"
    """Whether to divide both levels by their groups' standard deviation ("std") or not."""
    similarity_threshold: float | None = None
    """Smallest difflib ratio that counts as the same state, in (0, 1]; None: same text only."""
    invalid_action_penalty: float = 0.1
    """c >= 0: what an invalid action costs the step that made it."""

    def __post_init__(self) -> None:
        check_range("gamma", self.gamma, 0.0, 1.0)
        check_finite("step_weight", self.step_weight, 0.0)
        check_choice("normalize", self.normalize, get_args(Normalize))
        if self.similarity_threshold is not None:
            check_range("similarity_threshold", self.similarity_threshold, 0.0, 1.0, above=True)
        check_finite("invalid_action_penalty", self.invalid_action_penalty, 0.0)

    def __call__(self, steps: Steps) -> Credit:
        """Return the advantages of `steps`, episode and step level."""
        episode = episode_advantages(steps, self.normalize, self.invalid_action_penalty)
        returns = step_returns(steps, self.gamma, self.invalid_action_penalty)
        states = distinct_states(steps)
        anchors = states.of_step
        if self.similarity_threshold is not None:
            rows = canonical_rows(steps)
            anchors = similar_clusters(steps, states, self.similarity_threshold, rows)
        baselines = group_mean(returns, anchors)
        step = returns - baselines
        if self.normalize == "std":
            step = scale_by_std(step, group_std(returns, anchors))
        neighbours = np.bincount(anchors)[anchors].astype(np.float64)
        return combine(
            steps,
            episode=episode,
            step=step,
            step_weight=self.step_weight,
            states=states,
            diagnostics=baseline_diagnostics(returns, baselines, neighbours),
        )
