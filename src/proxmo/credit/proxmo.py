"""ProxMO: Proximity-Based Multi-Turn Optimization, and its two ablations."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import get_args

import numpy as np

from proxmo.credit.diagnostics import baseline_diagnostics, modulation_diagnostics
from proxmo.credit.episode import Normalize, episode_advantages
from proxmo.credit.groups import group_mean
from proxmo.credit.modulation import modulation_weights
from proxmo.credit.options import (
    check_choice,
    check_finite,
    check_flag,
    check_range,
    check_whole,
)
from proxmo.credit.others import others_baselines, visits_of
from proxmo.credit.released import ReleasedMode, ReleasedProxMO
from proxmo.credit.result import Credit, combine
from proxmo.credit.returns import charge_invalid, lambda_advantages, step_returns
from proxmo.credit.similarity import Embedding, Kernel, Similarity, SimilarityName, similarity_from
from proxmo.credit.soft import soft_baselines
from proxmo.credit.states import States, distinct_states
from proxmo.credit.steps import Floats, Steps
from proxmo.credit.tfidf import WORDS, compile_tokens
from proxmo.errors import InputError


@dataclass(frozen=True, slots=True)
class ProxMOEpisode:
    """The episode level alone: A_it = w(s_i, p_g) (R_i - c [invalid] - mean_g(R))."""

    alpha: float = 4.0
    """Steepness of the modulation, > 0: the larger, the closer to 0 or 1 must p be."""
    modulation: float = 0.05
    """m in [0, 1]: weights stay within [1 - m, 1 + m]; 0 turns modulation off."""
    normalize: Normalize = "mean"
    """Whether to divide by the group's standard deviation ("std") or not ("mean")."""
    invalid_action_penalty: float = 0.1
    """c >= 0: what an invalid action costs the step that made it."""

    def __post_init__(self) -> None:
        check_range("alpha", self.alpha, 0.0, above=True)
        check_range("modulation", self.modulation, 0.0, 1.0)
        check_choice("normalize", self.normalize, get_args(Normalize))
        check_finite("invalid_action_penalty", self.invalid_action_penalty, 0.0)

    def __call__(self, steps: Steps) -> Credit:
        """Return the advantages of `steps`; the step part is 0."""
        episode, diagnostics = self.advantages(steps)
        return combine(steps, episode=episode, diagnostics=diagnostics)

    def advantages(self, steps: Steps) -> tuple[Floats, dict[str, float]]:
        """A^E (N,), and what to log of the modulation."""
        relative = episode_advantages(steps, self.normalize, self.invalid_action_penalty)
        if steps.success is None:
            if self.modulation == 0:
                return relative, {}
            raise InputError(
                "success is not known, and the modulation by success rate needs it; give the "
                "column 'success', turn modulation off (modulation=0), or take a method without "
                "it, such as ProxMOStep, GiGPO or GRPO"
            )
        success = steps.trajectory_successes
        rate = group_mean(success, steps.trajectory_groups)
        weights = modulation_weights(success, rate, self.alpha, self.modulation)  # (M,)
        return weights[steps.trajectory_ids] * relative, modulation_diagnostics(weights, success)


@dataclass(frozen=True, slots=True)
class ProxMOStep:
    """The step level alone: A_it = G_it - b_it, with a baseline from states alike.

    With `lam` below 1, ProxMO(lambda), which is ours and not the paper's: sums of temporal
    differences of the values V, which are b without charges,

        A_it = sum over k >= t of (gamma lam)^(k - t) (r_ik + gamma V(o_ik+1) - V(o_ik))
               - (c [invalid] - its mean over the same weights)

    With `leave_one_out`, also ours, b and V of a step are over the other trajectories of its group,
    and a group of one trajectory, which has no others, gets 0.
    """

    gamma: float = 0.95
    """Discount of later rewards, in [0, 1]."""
    temperature: float = 0.1
    """tau > 0: small compares with the most similar states only, large with the whole group."""
    invalid_action_penalty: float = 0.1
    """c >= 0: what an invalid action costs the step that made it."""
    similarity: SimilarityName | Embedding = "tfidf"
    """How alike two texts are: "tfidf", "exact", "sequence", or a function texts -> vectors."""
    token_pattern: str = WORDS
    """What TF-IDF takes for a token; the default drops words of one character, as "1"."""
    max_features: int = 1024
    """How many terms TF-IDF keeps, the most frequent of the batch."""
    lam: float = 1.0
    """lambda in [0, 1]: 1 is the paper's, each return against its baseline; below, baselines are
    read as values, and what a step changed counts more than what came of it later."""
    leave_one_out: bool = False
    """Whether a step's baseline leaves out its own trajectory (ours), so that it does not depend on
    the action that it judges; the paper's holds all steps of the group, this one included."""

    def __post_init__(self) -> None:
        check_range("gamma", self.gamma, 0.0, 1.0)
        check_range("temperature", self.temperature, 0.0, above=True)
        check_finite("invalid_action_penalty", self.invalid_action_penalty, 0.0)
        compile_tokens(self.token_pattern)
        check_whole("max_features", self.max_features, 1)
        check_range("lam", self.lam, 0.0, 1.0)
        check_flag("leave_one_out", self.leave_one_out)
        _ = self.text_similarity

    @property
    def text_similarity(self) -> Similarity:
        """The similarity that `similarity` and its options stand for."""
        return similarity_from(
            self.similarity, token_pattern=self.token_pattern, max_features=self.max_features
        )

    def __call__(self, steps: Steps) -> Credit:
        """Return the advantages of `steps`; the episode part is 0."""
        states = distinct_states(steps)
        step, diagnostics = self.advantages(steps, states)
        return combine(steps, step=step, states=states, diagnostics=diagnostics)

    def advantages(self, steps: Steps, states: States) -> tuple[Floats, dict[str, float]]:
        """A^S (N,), and what to log of the baseline."""
        kernel = self.text_similarity(steps.texts, np.bincount(steps.text_ids))
        returns = step_returns(steps, self.gamma, self.invalid_action_penalty)
        baselines_of = self._baselines_of(steps, states, kernel)
        baselines, neighbours = baselines_of(returns)
        diagnostics = baseline_diagnostics(returns, baselines, neighbours)
        if self.lam == 1:  # the sum over later steps telescopes to this
            return returns - baselines, diagnostics
        charge = -charge_invalid(np.zeros(len(steps)), steps.valid, self.invalid_action_penalty)
        usual, _ = baselines_of(charge)
        # Baselines are of returns less charges: without them they are the states' values.
        advantages = lambda_advantages(steps, baselines + usual, self.gamma, self.lam)
        return advantages - (charge - usual), diagnostics

    def _baselines_of(
        self, steps: Steps, states: States, kernel: Kernel
    ) -> Callable[[Floats], tuple[Floats, Floats]]:
        """Per step, (N,): from what steps got, the baselines and how many steps they rest on."""
        options = {"states": states, "kernel": kernel, "temperature": self.temperature}
        if self.leave_one_out:
            return partial(others_baselines, visits=visits_of(steps, states), **options)
        return partial(soft_baselines, **options)


@dataclass(frozen=True, slots=True)
class ProxMO:
    """Both levels: A_it = A_it^E + omega A_it^S. The defaults are the authors' run.

        A_it^E = w(s_i, p_g) (R_i - c [invalid] - mean_g(R))        see `ProxMOEpisode`
        A_it^S = G_it - c [invalid] - b_it                          see `ProxMOStep`

    `ProxMO.released(...)` computes what the authors' released code computes instead.
    """

    gamma: float = 0.95
    """Discount of later rewards, in [0, 1]."""
    alpha: float = 4.0
    """Steepness of the modulation, > 0: the larger, the closer to 0 or 1 must p be."""
    modulation: float = 0.05
    """m in [0, 1]: weights stay within [1 - m, 1 + m]; 0 turns modulation off."""
    temperature: float = 0.1
    """tau > 0: small compares with the most similar states only, large with the whole group."""
    step_weight: float = 1.0
    """omega >= 0: weight of the step-level advantage."""
    normalize: Normalize = "mean"
    """Whether to divide A^E by the group's standard deviation ("std") or not ("mean")."""
    invalid_action_penalty: float = 0.1
    """c >= 0: what an invalid action costs the step that made it."""
    similarity: SimilarityName | Embedding = "tfidf"
    """How alike two texts are: "tfidf", "exact", "sequence", or a function texts -> vectors."""
    token_pattern: str = WORDS
    """What TF-IDF takes for a token; the default drops words of one character, as "1"."""
    max_features: int = 1024
    """How many terms TF-IDF keeps, the most frequent of the batch."""
    lam: float = 1.0
    """lambda in [0, 1]: 1 is the paper's, each return against its baseline; below, baselines are
    read as values, and what a step changed counts more than what came of it later."""
    leave_one_out: bool = False
    """Whether a step's baseline leaves out its own trajectory (ours), so that it does not depend on
    the action that it judges; the paper's holds all steps of the group, this one included."""

    def __post_init__(self) -> None:
        check_finite("step_weight", self.step_weight, 0.0)
        # The two levels check their own options.
        _ = self.episode_level, self.step_level

    @property
    def episode_level(self) -> ProxMOEpisode:
        """The ablation that leaves out the step level."""
        return ProxMOEpisode(
            alpha=self.alpha,
            modulation=self.modulation,
            normalize=self.normalize,
            invalid_action_penalty=self.invalid_action_penalty,
        )

    @property
    def step_level(self) -> ProxMOStep:
        """The ablation that leaves out the episode level."""
        return ProxMOStep(
            gamma=self.gamma,
            temperature=self.temperature,
            invalid_action_penalty=self.invalid_action_penalty,
            similarity=self.similarity,
            token_pattern=self.token_pattern,
            max_features=self.max_features,
            lam=self.lam,
            leave_one_out=self.leave_one_out,
        )

    def __call__(self, steps: Steps) -> Credit:
        """Return the advantages of `steps`, episode and step level."""
        states = distinct_states(steps)
        episode, modulation = self.episode_level.advantages(steps)
        step, baseline = self.step_level.advantages(steps, states)
        return combine(
            steps,
            episode=episode,
            step=step,
            step_weight=self.step_weight,
            states=states,
            diagnostics=modulation | baseline,
        )

    @staticmethod
    def released(
        gamma: float = 0.95,
        alpha: float = 4.0,
        modulation: float = 0.05,
        temperature: float = 0.1,
        step_weight: float = 1.0,
        invalid_action_penalty: float = 0.1,
        mode: ReleasedMode = "soft",
        similarity_threshold: float | None = None,
    ) -> ReleasedProxMO:
        """The authors' released code, to the digit: see `ReleasedProxMO` for what differs."""
        return ReleasedProxMO(
            gamma=gamma,
            alpha=alpha,
            modulation=modulation,
            temperature=temperature,
            step_weight=step_weight,
            invalid_action_penalty=invalid_action_penalty,
            mode=mode,
            similarity_threshold=similarity_threshold,
        )
