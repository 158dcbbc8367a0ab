"""A copy of a game goes on from where it was, and neither changes the other."""

import random

from proxmo.envs import registry
from proxmo.envs.alfworld.env import AlfworldEnv


def test_copies_go_their_own_ways_from_every_step():
    spec = registry.get("alfworld")
    rng = random.Random(0)
    for task in spec.load_tasks("valid", None, 0, 3):
        env, script = AlfworldEnv(), []
        _, info = env.reset(seed=0, options=task.options)
        for _ in range(12):
            other = env.fork()
            there = [other.step(other_action) for other_action in info["admissible_actions"][:2]]
            anew = AlfworldEnv()
            anew.reset(seed=0, options=task.options)
            for action in script:
                anew.step(action)
            assert there == [anew.step(action) for action in info["admissible_actions"][:2]]
            action = rng.choice(info["admissible_actions"])
            script.append(action)
            *_, info = env.step(action)


def test_a_copy_counts_its_own_steps():
    spec = registry.get("alfworld")
    env = AlfworldEnv(max_steps=2)
    env.reset(options=spec.load_tasks("valid", None, 0, 1)[0].options)
    env.step("look")
    other = env.fork()
    assert env.step("look")[3]
    assert other.step("look")[3]
