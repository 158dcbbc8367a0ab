"""A policy goes on from turns that it took before as if it had just taken them."""

import numpy as np
import pytest
import torch
from tiny import tiny_policy

from proxmo.envs.base import Task
from proxmo.episodes.play import rollout, task_seed
from proxmo.policies.base import Resumable


class Rooms:
    """Six turns, of which each looks a little different."""

    def reset(self, *, seed=None, options=None):
        self.turn = 0
        return "You see a mug 2.", {"admissible_actions": (), "goal": "go to desk 1"}

    def step(self, action):
        self.turn += 1
        told = ["Nothing happens.", "You arrive at desk 1.", "a pen 1."][self.turn % 3]
        return told, 0.0, self.turn == 6, False, {"success": False, "admissible_actions": ()}

    def close(self):
        pass


def played(policy, members=3):
    return rollout(policy, Rooms, [Task("rooms", "")], group_size=members, seed=0)


@pytest.mark.parametrize("context", ["window", "conversation"])
def test_a_resumed_dialogue_answers_as_the_one_that_was_played(context):
    policy = tiny_policy(context, history=2, max_prompt_tokens=512)
    assert isinstance(policy, Resumable)
    for trajectory in played(policy):
        for turn, step in enumerate(trajectory.steps):
            past = trajectory.steps[:turn]
            # The greedy answer's log-probability, by the dialogue and by a plain forward pass.
            dialogue = policy.resume([past], [np.random.default_rng(0)], temperature=1, greedy=True)
            answer = dialogue.respond([0], [step.prompt])[0]
            assert tuple(answer.prompt_ids) == tuple(step.prompt_ids)
            ids = [*step.prompt_ids, *answer.response_ids]
            with torch.inference_mode():
                logits = policy.model(input_ids=torch.tensor([ids])).logits[0]
            plain = torch.log_softmax(logits, -1)
            first = len(step.prompt_ids)
            expected = [float(plain[p - 1, ids[p]]) for p in range(first, len(ids))]
            assert np.allclose(answer.logprobs, expected, atol=1e-4)


def test_rows_resumed_together_are_those_resumed_alone():
    policy = tiny_policy("conversation", max_prompt_tokens=512)
    one, other, _ = played(policy)
    # Beginnings of one dialogue, of another, twice the same, and none at all.
    pasts = [one.steps[:4], other.steps[:2], one.steps[:1], (), one.steps[:4], other.steps[:5]]
    prompts = [
        (one.steps if past in (one.steps[:4], one.steps[:1]) else other.steps)[len(past)].prompt
        for past in pasts
    ]
    prompts[3] = one.steps[0].prompt

    def answers(rows):
        rngs = [np.random.default_rng(row) for row in rows]
        dialogue = policy.resume([pasts[r] for r in rows], rngs, temperature=1, greedy=False)
        first = dialogue.respond(range(len(rows)), [prompts[r] for r in rows])
        again = dialogue.respond(range(len(rows)), ["a pen 1."] * len(rows))
        return list(zip(first, again, strict=True))

    together = answers(range(len(pasts)))
    for row in range(len(pasts)):
        ((first, again),) = answers([row])
        assert together[row][0].response_ids == first.response_ids
        assert together[row][1].response_ids == again.response_ids
        assert np.allclose(together[row][1].logprobs, again.logprobs, atol=1e-4)


def test_rows_that_begin_one_dialogue_are_read_once():
    policy = tiny_policy("conversation", max_prompt_tokens=512)
    trajectory = played(policy, members=2)[0]
    read = []
    forward = policy.model.forward

    def counted(*args, input_ids, **options):
        read.append(input_ids.numel())
        return forward(*args, input_ids=input_ids, **options)

    policy.model.forward = counted
    pasts = [trajectory.steps[:turn] for turn in range(6) for _ in range(4)]
    rngs = [np.random.default_rng(row) for row in range(len(pasts))]
    policy.resume(pasts, rngs, temperature=1, greedy=False)
    last = trajectory.steps[4]
    assert read == [len(last.prompt_ids) + len(last.response_ids)]


@pytest.mark.parametrize("context", ["window", "conversation"])
def test_with_its_random_numbers_an_episode_takes_the_same_future_from_every_step(context):
    policy = tiny_policy(context, history=2, max_prompt_tokens=512)
    member = 1
    trajectory = played(policy)[member]
    seed = task_seed(0, "rooms")
    for turn in range(len(trajectory.steps)):
        rng = np.random.default_rng([seed, member])
        rng.random(sum(len(step.response_ids) for step in trajectory.steps[:turn]))
        dialogue = policy.resume([trajectory.steps[:turn]], [rng], temperature=1, greedy=False)
        for step in trajectory.steps[turn:]:
            assert dialogue.respond([0], [step.prompt])[0].response_ids == step.response_ids
