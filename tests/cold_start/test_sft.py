"""The cold start: what is shown, what is learnt of it, and what is kept."""

import dataclasses

import numpy as np
import pytest

from proxmo.cold_start import sft
from proxmo.cold_start.model import make_model, train_tokenizer
from proxmo.cold_start.sft import cold_start, demonstrate, fine_tune, lessons, thinned
from proxmo.config import PolicyConfig, SftConfig
from proxmo.envs import registry
from proxmo.errors import InputError
from proxmo.policies.transformers import PromptSettings, TransformersPolicy, load_policy
from proxmo.types import Context

SMALL = SftConfig(demonstrations=6, vocabulary=400, batch_tokens=4096)


def with_start(spec, **changes):
    return dataclasses.replace(spec, cold_start=dataclasses.replace(spec.cold_start, **changes))


@pytest.fixture(scope="module")
def alfworld():
    """ALFWorld on generated games, also where official ones are set or its engine is imported."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("ALFWORLD_DATA", raising=False)
        yield registry.get("alfworld")


@pytest.fixture(scope="module")
def tasks(alfworld):
    found = alfworld.load_tasks("train", None, seed=0, count=6)
    return [found[number] for number in range(6)]


def fitted(episodes, context: Context = "conversation"):
    texts = [text for turns in episodes for t in turns for text in (t.observation, t.action)]
    tokenizer = train_tokenizer(texts, 400)
    settings = PromptSettings(context=context, style="compact")
    return TransformersPolicy(make_model(tokenizer, 0), tokenizer, settings)


def test_an_expert_that_does_not_stumble_shows_its_own_choices_alone(alfworld, tasks):
    episodes = demonstrate(alfworld, tasks, seed=0)
    assert len(episodes) == len(tasks)
    assert not any(turn.stumble for turns in episodes for turn in turns)


def test_stumbles_are_as_frequent_as_asked_and_followed_by_the_way_out(alfworld, tasks):
    episodes = demonstrate(alfworld, tasks * 10, seed=0, stumble=0.3)
    turns = [turn for turns in episodes for turn in turns]
    assert np.mean([turn.stumble for turn in turns]) == pytest.approx(0.3, abs=0.05)
    assert not any(turns[-1].stumble for turns in episodes)  # the last step is the one that wins


def test_demonstrations_repeat_with_their_seed_and_vary_with_their_place(alfworld, tasks):
    one, again = (demonstrate(alfworld, tasks[:1] * 5, seed=3, stumble=0.3) for _ in range(2))
    assert one == again
    assert len({tuple(turn.action for turn in turns) for turns in one}) > 1


@pytest.mark.parametrize("context", ["window", "conversation"])
def test_actions_count_1_observations_and_stumbles_what_is_said(alfworld, tasks, context):
    episodes = demonstrate(alfworld, tasks, seed=0, stumble=0.3)
    policy = fitted(episodes, context)
    rows = lessons(policy, episodes, observation_weight=0.25, stumble_weight=0.5)
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
    policy = fitted(demonstrate(alfworld, tasks, seed=0), "window")
    rows = lessons(policy, demonstrate(alfworld, tasks, seed=0), observation_weight=0.5) * 50
    shares = np.array([(row.weights == 1.0).mean() for row in rows])
    limit = float(np.median(shares))
    kept = thinned(rows, limit, np.random.default_rng(0))
    assert len(kept) == pytest.approx(np.minimum(1, shares / limit).sum(), rel=0.05)
    assert len(kept) < len(rows)
    whole = [row for row, share in zip(rows, shares, strict=True) if share >= limit]
    assert {id(row) for row in whole} <= {id(row) for row in kept}
    assert thinned(rows, 0.0, np.random.default_rng(0)) == rows


def test_texts_are_thinned_by_their_actions_whatever_observations_weigh(alfworld, tasks):
    episodes = demonstrate(alfworld, tasks, seed=0)
    policy = fitted(episodes, "window")
    counts = [len(lessons(policy, episodes, weight, action_share=0.3)) for weight in (0.5, 1.0)]
    assert counts[0] == counts[1] < len(lessons(policy, episodes, 1.0))


def test_generated_demonstrations_are_divided_among_worlds(alfworld, monkeypatch):
    asked = []
    monkeypatch.setattr(
        type(alfworld),
        "load_tasks",
        lambda self, split, path, seed, count: asked.append((seed, count)) or list(range(count)),
    )
    monkeypatch.setattr(sft, "demonstrate", lambda spec, tasks, **_: asked.append(tasks) or [])
    spec = with_start(alfworld, worlds=3)
    with pytest.raises(InputError):
        sft.make_policy(spec, None, dataclasses.replace(SMALL, demonstrations=8, seed=5))
    assert asked[:3] == [(5, 3), (6, 3), (7, 2)]
    assert sorted(asked[3]) == [0, 0, 0, 1, 1, 1, 2, 2]
    asked.clear()
    with pytest.raises(InputError):
        sft.make_policy(spec, "some/data", dataclasses.replace(SMALL, demonstrations=8))
    assert asked[0] == (0, 8)  # what is there is all there is


def test_fine_tuning_lowers_the_loss_on_actions(alfworld, tasks):
    episodes = demonstrate(alfworld, tasks[:3], seed=0)
    policy = fitted(episodes)
    losses = []
    config = dataclasses.replace(SMALL, epochs=6, batch_tokens=10**6)
    last = fine_tune(
        policy.model,
        lessons(policy, episodes, observation_weight=0.0),
        config,
        lambda progress: losses.append(progress.loss),
    )
    assert losses[0] > 5  # a model made from nothing knows nothing: log(400) = 6
    assert last < losses[0] - 2


def test_a_cold_start_is_made_once_and_kept_whole(alfworld, tmp_path, monkeypatch):
    monkeypatch.setenv("PROXMO_CACHE", str(tmp_path))
    told = []
    folder = cold_start(alfworld, None, SMALL, report=told.append)
    assert folder.parent == tmp_path / "cold-start"
    assert {progress.stage for progress in told} == {"demonstrations", "training"}
    assert told[-1].done == told[-1].total
    policy = load_policy(PolicyConfig(model=str(folder)))
    assert (policy.context, policy.settings.style) == ("conversation", "compact")
    monkeypatch.setattr(sft, "make_policy", pytest.fail)
    assert cold_start(alfworld, None, SMALL) == folder
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]
    copy = cold_start(alfworld, None, SMALL, folder=tmp_path / "mine")
    assert copy == tmp_path / "mine"
    for path in folder.iterdir():
        assert (copy / path.name).read_bytes() == path.read_bytes()
    assert cold_start(alfworld, None, SMALL, folder=copy) == copy
    other = dataclasses.replace(SMALL, epochs=9)
    with pytest.raises(InputError, match="made with epochs = 1, and 9 is asked for"):
        cold_start(alfworld, None, other, folder=copy)


@pytest.mark.parametrize("name", ["config.json", "diary.txt"])
def test_a_folder_with_anything_else_is_left_alone(alfworld, tmp_path, monkeypatch, name):
    monkeypatch.setattr(sft, "make_policy", pytest.fail)
    (tmp_path / name).write_text("{}")
    with pytest.raises(InputError, match="and no record of `proxmo sft` having made it"):
        cold_start(alfworld, None, SMALL, folder=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_cold_start_is_made_again_for_an_environment_that_reads_otherwise(
    alfworld, tmp_path, monkeypatch
):
    monkeypatch.setenv("PROXMO_CACHE", str(tmp_path))
    coded = dataclasses.replace(alfworld, codec="proxmo.envs.webshop.codec:ArticleNumbers")
    specs = [alfworld, with_start(coded, prompt="numbered")]
    made = [cold_start(spec, None, SMALL) for spec in specs]
    assert made[0] != made[1]
    styles = [
        load_policy(PolicyConfig(model=str(folder)), codec=spec.make_codec()).settings.style
        for spec, folder in zip(specs, made, strict=True)
    ]
    assert styles == ["compact", "numbered"]


def test_a_cold_start_that_is_stopped_leaves_nothing(alfworld, tmp_path, monkeypatch):
    class Stopped:
        def save(self, path):
            (path / "config.json").write_text("{}")
            raise KeyboardInterrupt

    monkeypatch.setattr(sft, "make_policy", lambda *_, **__: Stopped())
    with pytest.raises(KeyboardInterrupt):
        cold_start(alfworld, None, SMALL, folder=tmp_path / "model")
    assert list(tmp_path.iterdir()) == []


def test_tasks_are_played_again_where_there_are_fewer(alfworld, monkeypatch):
    played = []

    def remember(spec, tasks, **options):
        played.extend(task.id for task in tasks)
        return []

    monkeypatch.setattr(sft, "demonstrate", remember)
    load = type(alfworld).load_tasks
    monkeypatch.setattr(
        type(alfworld),
        "load_tasks",
        lambda self, split, path, seed, count: load(self, split, count=4),
    )
    with pytest.raises(InputError, match="the expert solved none of 10 tasks"):
        sft.make_policy(alfworld, None, dataclasses.replace(SMALL, demonstrations=10))
    counts = sorted(played.count(name) for name in set(played))
    assert counts == [2, 2, 3, 3]
