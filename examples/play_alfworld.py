"""Watch an expert play a generated game of ALFWorld: the dialogue that an agent learns from.

uv run python examples/play_alfworld.py [SEED]
"""

from __future__ import annotations

import sys

from proxmo.envs.alfworld import AlfworldEnv, load_games
from proxmo.envs.alfworld.expert import HouseholdExpert
from proxmo.envs.alfworld.generator.games import generate_games


def main(seed: int = 0) -> None:
    game = load_games(generate_games(seed, count=1))[0]
    env, expert = AlfworldEnv(max_steps=50), HouseholdExpert(seed=seed)
    observation, info = env.reset(options={"game": game})
    expert.reset(observation)
    print(f"{info['game_id']}\n\n{observation}")

    steps, over = 0, False
    while not over:
        possible = info["admissible_actions"]
        action = expert.act(observation, possible)
        observation, _, terminated, truncated, info = env.step(action)
        steps, over = steps + 1, terminated or truncated
        print(f"\n> {action}   (one of {len(possible)} admissible actions)\n{observation}")

    outcome = "Solved" if info["success"] else "Not solved"
    print(f"\n{outcome} in {steps} steps; proxmo's own plan takes {len(game.walkthrough)}.")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))
