"""What demonstrations become: texts in which every token has its weight."""

import numpy as np
import pytest
from untaught import fitted

from proxmo.cold_start.demonstrations import DemonstratedTurn, demonstrate
from proxmo.cold_start.lessons import lessons_of, thinned


@pytest.mark.parametrize("context", ["window", "conversation"])
def test_actions_count_1_observations_and_stumbles_what_is_said(alfworld, tasks, context):
    episodes = demonstrate(alfworld, tasks, seed=0, stumble=0.3).episodes
    policy = fitted(episodes, context)
    rows = lessons_of(policy, episodes, observation_weight=0.25, stumble_weight=0.5)
    turns = [turn for turns in episodes for turn in turns]
    assert len(rows) == (len(episodes) if context == "conversation" else len(turns))
    weights = np.concatenate([row.weights[1:] for row in rows])
    assert set(weights.tolist()) == {0.25, 0.5, 1.0}

    def said(turns):
        return sum(len(policy.tokenizer(turn.action)["input_ids"]) + 1 for turn in turns)

    assert (weights == 1.0).sum() == said(turn for turn in turns if not turn.stumble)
    assert (weights == 0.5).sum() == said(turn for turn in turns if turn.stumble)


def test_texts_with_few_actions_are_thinned_out_as_much_as_they_are_below_the_share(
    alfworld, tasks
):
    episodes = demonstrate(alfworld, tasks, seed=0).episodes
    policy = fitted(episodes, "window")
    rows = lessons_of(policy, episodes, observation_weight=0.5) * 50
    shares = np.array([(row.weights == 1.0).mean() for row in rows])
    limit = float(np.median(shares))
    kept = thinned(rows, limit, np.random.default_rng(0))
    assert len(kept) == pytest.approx(np.minimum(1, shares / limit).sum(), rel=0.05)
    assert len(kept) < len(rows)
    whole = [row for row, share in zip(rows, shares, strict=True) if share >= limit]
    assert {id(row) for row in whole} <= {id(row) for row in kept}
    assert thinned(rows, 0.0, np.random.default_rng(0)) == rows


def test_texts_are_thinned_by_their_actions_whatever_observations_weigh(alfworld, tasks):
    episodes = demonstrate(alfworld, tasks, seed=0).episodes
    policy = fitted(episodes, "window")
    counts = [len(lessons_of(policy, episodes, weight, action_share=0.3)) for weight in (0.5, 1.0)]
    assert counts[0] == counts[1] < len(lessons_of(policy, episodes, 1.0))


def test_what_is_taught_are_actions_whatever_observations_weigh(alfworld, tasks):
    episodes = demonstrate(alfworld, tasks, seed=0).episodes
    policy = fitted(episodes)
    for weight in (0.5, 1.0):
        taught = sum(int(row.taught.sum()) for row in lessons_of(policy, episodes, weight))
        said = [turn.action for turns in episodes for turn in turns]
        assert taught == sum(len(policy.tokenizer(a)["input_ids"]) + 1 for a in said)


def test_an_action_that_holds_a_mark_of_turns_is_taught_as_its_characters(alfworld, tasks):
    policy = fitted(demonstrate(alfworld, tasks, seed=0).episodes)
    end = policy.tokenizer.eos_token
    (lesson,) = lessons_of(policy, [[DemonstratedTurn("", "a room", f"say {end}")]], 0.5)
    assert lesson.taught.sum() > 2
    assert lesson.tokens[lesson.taught].tolist().count(policy.tokenizer.eos_token_id) == 1
