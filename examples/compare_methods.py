"""Credit in a whole loop: an agent that learns to find a mug, with numpy alone.

    uv run python examples/compare_methods.py

The loop is any GRPO loop: sample groups of episodes, turn them into advantages, update the
policy. proxmo does the second; `proxmo.Steps` and the line after it are all it takes. The
policy here is a table of logits over texts, the "tokens" are characters, and the household
is a toy; with a language model the same lines stay as they are.
"""

from __future__ import annotations

import numpy as np

import proxmo

PLACES = ("cabinet", "drawer", "fridge", "shelf")
ACTIONS = (*(f"go to {place}" for place in PLACES), "take mug")
GROUPS, GROUP_SIZE, MAX_STEPS, UPDATES = 8, 8, 6, 20
LEARNING_RATE, SEEDS = 0.1, 3


class House:
    """The mug is in one place; the agent must go there and take it. Reward 10 at the end."""

    def __init__(self, mug: str) -> None:
        self.mug = mug
        self.place = ""

    def reset(self) -> str:
        """Return the first observation."""
        self.place = ""
        return f"You are in a room. You heard that the mug is in the {self.mug}."

    def step(self, action: str) -> tuple[str, float, bool, bool]:
        """Return the observation, the reward, whether it ended, whether the action was valid."""
        if action.startswith("go to "):
            self.place = action.removeprefix("go to ")
            seen = "a mug" if self.place == self.mug else "nothing"
            return f"You arrive at the {self.place}. You see {seen}.", 0.0, False, True
        if self.place == self.mug:
            return "You take the mug.", 10.0, True, True
        return "Nothing happens.", 0.0, False, False


class Policy:
    """A softmax over the actions for every text it has met."""

    def __init__(self, seed: int) -> None:
        self.logits: dict[str, np.ndarray] = {}
        self.rng = np.random.default_rng(seed)

    def probabilities(self, observation: str) -> np.ndarray:
        """How likely each action is in the face of that text."""
        logits = self.logits.setdefault(observation, np.zeros(len(ACTIONS)))
        weights = np.exp(logits - logits.max())
        return weights / weights.sum()

    def act(self, observation: str) -> int:
        """Sample the number of an action."""
        return int(self.rng.choice(len(ACTIONS), p=self.probabilities(observation)))

    def update(self, observations: list[str], actions: list[int], advantage: np.ndarray) -> None:
        """One step of the policy gradient, with gradients taken before anything moves."""
        gradients = [
            np.eye(len(ACTIONS))[action] - self.probabilities(observation)
            for observation, action in zip(observations, actions, strict=True)
        ]
        for observation, gradient, a in zip(observations, gradients, advantage, strict=True):
            self.logits[observation] += LEARNING_RATE * a * gradient


def collect(policy: Policy) -> dict[str, list]:
    """Sample groups of episodes: the columns that proxmo reads, and the action of each step."""
    columns: dict[str, list] = {
        name: []
        for name in (
            *("group", "trajectory", "step", "observation", "reward", "success", "valid"),
            "action",
        )
    }
    for group in range(GROUPS):
        for member in range(GROUP_SIZE):
            house = House(PLACES[group % len(PLACES)])
            observation, ended, number, first = house.reset(), False, 0, len(columns["step"])
            while not ended and number < MAX_STEPS:
                action = policy.act(observation)
                following, reward, ended, valid = house.step(ACTIONS[action])
                row = (group, f"{group}-{member}", number, observation, reward, False, valid)
                for name, value in zip(columns, (*row, action), strict=True):
                    columns[name].append(value)
                observation, number = following, number + 1
            # Every step carries the flag of its trajectory, known once it has ended.
            columns["success"][first:] = [ended] * number
    return columns


def train(
    credit: proxmo.Estimator, seed: int
) -> tuple[list[float], proxmo.Steps, proxmo.Credit, list[str]]:
    """Success rate of each update; of the first also the steps, credit and responses."""
    policy, rates, first = Policy(seed), [], None
    for _ in range(UPDATES):
        columns = collect(policy)
        actions = columns.pop("action")

        # All that proxmo adds to the loop:
        steps = proxmo.Steps(**columns)
        result = credit(steps)

        policy.update(columns["observation"], actions, result.advantage / GROUP_SIZE)
        rates.append(result.diagnostics["credit/success_rate"])
        first = first or (steps, result, [ACTIONS[action] for action in actions])
    assert first is not None
    return rates, *first


def token_advantages(advantage: np.ndarray, responses: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """What a token-level loss wants: one row per response, padded, and the mask of its tokens."""
    lengths = np.array([len(response) for response in responses])
    mask = np.arange(lengths.max()) < lengths[:, None]  # (N, longest)
    return advantage[:, None] * mask, mask


def main() -> None:
    methods = {
        "ProxMO": proxmo.ProxMO(),
        "GiGPO": proxmo.GiGPO(),
        "GRPO (no std)": proxmo.GRPO(normalize="mean"),
    }
    episodes = GROUPS * GROUP_SIZE
    print(f"Success rate while learning, mean of {SEEDS} seeds, {episodes} episodes an update")
    print(f"{'update':16}" + "".join(f"{n:6}" for n in range(0, UPDATES, 3)))
    for name, method in methods.items():
        rates = np.mean([train(method, seed)[0] for seed in range(SEEDS)], axis=0)
        print(f"{name:16}" + "".join(f"{rate:6.2f}" for rate in rates[::3]))

    _, steps, result, responses = train(methods["ProxMO"], seed=0)
    won = steps.trajectory_labels[int(np.flatnonzero(steps.trajectory_successes)[0])]
    print(f"\nOne success of the first update, trajectory {won}: advantage = episode + step")
    rows = np.flatnonzero(steps.trajectory == won)
    for i in rows:
        parts = f"{result.advantage[i]:6.2f} = {result.episode[i]:5.2f} + {result.step[i]:5.2f}"
        note = "" if steps.valid[i] else "  (an invalid action)"
        print(f"  {parts}  {steps.observation[i]} > {responses[i]}{note}")

    per_token, mask = token_advantages(result.advantage[rows], [responses[i] for i in rows])
    print(
        f"\nOver the tokens of its {len(rows)} responses: an array of shape {per_token.shape}, in"
    )
    print(f"which {mask.sum()} tokens carry their step's advantage and {(~mask).sum()} are padding")

    print("\nDiagnostics of the first update:")
    for name, value in result.diagnostics.items():
        print(f"  {name:32}{value:8.3f}")


if __name__ == "__main__":
    main()
