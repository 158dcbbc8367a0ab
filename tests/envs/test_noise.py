"""Noise says nothing of the task, repeats nothing, and follows from its key alone."""

import copy
import math
import pickle
import random
import re

import pytest

from proxmo.cold_start.demonstrations import demonstrate
from proxmo.envs import noise, registry
from proxmo.envs.base import TextEnv
from proxmo.envs.noise import NoisyEnv, noisy, quiet, with_noise
from proxmo.envs.webshop.codec import ArticleNumbers
from proxmo.errors import InputError

ALL = [noisy("", 1.0, ("a", n)) for n in range(10_000)]
"""10,000 observations that are nothing but noise."""
ENVIRONMENTS = ("alfworld", "webshop")
PAGE = "Instruction: [SEP] a mug [SEP] B0N1C5U30D [SEP] Mug [SEP] $9.50 [SEP] B0N1C5U31D"


@pytest.mark.parametrize("amount", [0.0, 0.1, 0.5, 0.9, 1.0])
def test_the_share_of_noisy_observations_is_the_amount(amount):
    hit = sum(noisy("seen", amount, ("a", n)) != "seen" for n in range(10_000))
    # Four standard deviations of a binomial share; none at 0 and 1.
    assert abs(hit / 10_000 - amount) <= 4 * math.sqrt(amount * (1 - amount) / 10_000)


def test_what_is_noisy_stays_so_by_the_same_sentence_when_there_is_more():
    for n in range(200):
        less, more = noisy("seen", 0.3, ("a", n)), noisy("seen", 0.7, ("a", n))
        assert less in ("seen", more)


def test_ten_thousand_sentences_are_all_different():
    assert len(set(ALL)) == 10_000
    assert all(math.prod(map(len, parts)) >= 10**9 for parts in noise._sentences())


def test_a_key_says_the_same_on_every_machine():
    assert noisy("You see a door.", 1.0, ("t#1", 4)) == (
        "You see a door.\nNews: Larsen of Dakar closes a mine in Miami, 8162 attend."
    )


@pytest.mark.parametrize(
    "other", [("t#1", 5), ("t#2", 4), ("t#", 14), ("t#1", 4, 0), ("t", "#1", 4)]
)
def test_another_key_is_another_sentence(other):
    assert noisy("", 1.0, other) != noisy("", 1.0, ("t#1", 4))


@pytest.mark.parametrize("seen", ["", "\n", "a door", "a door\n", "one\n\ntwo\n", PAGE])
def test_noise_can_be_taken_away_again(seen):
    assert all(quiet(noisy(seen, 1.0, ("a", n))) == seen for n in range(300))
    assert quiet(seen) == seen


def test_what_only_looks_like_noise_is_left():
    said = noisy("a door", 1.0, ("a", 0)).rpartition("\n")[2]
    for text in (said, f"a door {said}", f"a door\n{said} ", f"a door\n{said}\nand more"):
        assert quiet(text) == text


def test_no_sentence_has_numbered_things_articles_or_what_games_say():
    for sentence in ALL:
        assert not re.search(r"\b[a-z]+ [0-9]", sentence), sentence
        assert not re.search(r"\b[A-Z](?=[A-Z]*[0-9])[A-Z0-9]{7,}\b|\[|\]", sentence), sentence
        assert not re.search(r"\b[Yy]ou\b|task|Instruction|Price", sentence), sentence


@pytest.mark.parametrize("amount", [-0.1, 1.1, math.nan, math.inf])
def test_an_amount_that_is_no_share_is_refused(amount):
    for refused in (
        lambda: noisy("seen", amount, ("a",)),
        lambda: with_noise(object, amount, ("a",)),
        lambda: NoisyEnv(None, amount, ("a",)),
    ):
        with pytest.raises(InputError, match="the share of noisy observations, from 0 to 1"):
            refused()


def tasks_of(name, count=6):
    tasks = registry.get(name).load_tasks("train", seed=3, count=count)
    return [tasks[number] for number in range(count)]


def wander(env, task, seed=5):
    """All that a wandering agent sees of one episode."""
    rng = random.Random(seed)
    observation, info = env.reset(seed=seed, options=task.options)
    seen, over = [(observation, info)], False
    while not over:
        action = rng.choice([*info["admissible_actions"], "dance"])
        observation, *paid, info = env.step(action.replace("<your query>", "red mug"))
        seen.append((observation, *paid, info))
        over = paid[1] or paid[2]
    env.close()
    return seen


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_nothing_but_observations_is_changed(name):
    spec = registry.get(name)
    for task in tasks_of(name):
        plain = wander(spec.make(max_steps=12), task)
        disturbed = wander(NoisyEnv(spec.make(max_steps=12), 1.0, ("a",)), task)
        assert [said[1:] for said in disturbed] == [said[1:] for said in plain]
        assert [quiet(said[0]) for said in disturbed] == [said[0] for said in plain]
        assert len({said[0] for said in disturbed}) == len(disturbed)


def test_without_noise_there_is_nothing_in_between():
    def make_env():
        raise AssertionError

    assert with_noise(make_env, 0.0, ("a",)) is make_env


@pytest.mark.parametrize("name", ENVIRONMENTS)
@pytest.mark.parametrize("copied", [copy.deepcopy, lambda env: pickle.loads(pickle.dumps(env))])
def test_a_copy_in_mid_episode_goes_on_with_the_same_noise(name, copied):
    spec, task = registry.get(name), tasks_of(name)[0]
    env = NoisyEnv(spec.make(), 0.5, ("a", 1))
    env.reset(seed=0, options=task.options)
    for _ in range(3):
        env.step("look")
    twin = copied(env)
    answers = [(env.step("look")[0], twin.step("look")[0]) for _ in range(8)]
    assert all(mine == other for mine, other in answers)
    assert {mine == quiet(mine) for mine, _ in answers} == {True, False}


def test_a_second_episode_begins_at_the_first_sentence():
    spec, task = registry.get("alfworld"), tasks_of("alfworld")[0]
    env = NoisyEnv(spec.make(), 1.0, ("a",))
    first = env.reset(seed=0, options=task.options)[0]
    env.step("look")
    assert env.reset(seed=0, options=task.options)[0] == first


class Server:
    waits = True

    def reset(self, *, seed=None, options=None):
        return 7, {}

    def close(self):
        self.closed = True


def test_it_waits_where_its_environment_does_and_says_what_that_says():
    env = NoisyEnv(Server(), 1.0, ("a",))
    assert isinstance(env, TextEnv)
    assert env.waits is True
    assert not NoisyEnv(object(), 1.0, ("a",)).waits
    assert env.reset() == (7, {})
    env.close()
    assert env.env.closed


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_an_expert_plays_among_noise_as_without(name):
    spec, tasks = registry.get(name), tasks_of(name, 20)
    plain = demonstrate(spec, tasks, seed=1, stumble=0.1)
    disturbed = demonstrate(spec, tasks, seed=1, stumble=0.1, noise=1.0)
    assert len(plain.episodes) >= 10
    assert [[turn.action for turn in turns] for turns in disturbed.episodes] == [
        [turn.action for turn in turns] for turns in plain.episodes
    ]
    shown = [turn.observation for turns in disturbed.episodes for turn in turns]
    assert len(set(shown)) == len(shown)
    assert disturbed.failed_types == plain.failed_types


def test_a_task_that_is_shown_twice_is_shown_among_other_noise():
    spec, tasks = registry.get("alfworld"), tasks_of("alfworld", 1)
    first, second = demonstrate(spec, tasks * 2, seed=1, noise=1.0).episodes
    assert first[0].observation != second[0].observation
    assert quiet(first[0].observation) == quiet(second[0].observation)


def test_articles_keep_their_numbers():
    codec = ArticleNumbers()
    for n in range(300):
        page = noisy(PAGE, 1.0, ("a", n))
        assert quiet(codec.shown(page, page)) == codec.shown(PAGE, PAGE)
        for action in ("click[B0N1C5U30D]", "click[B0N1C5U31D]", "search[red mug]"):
            assert codec.said(action, page) == codec.said(action, PAGE)
            assert codec.meant(codec.said(action, page), page) == action
