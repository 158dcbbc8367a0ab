"""The same as the official environment, in everything that was recorded of it."""

import gzip
import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from proxmo.envs.webshop import Catalog, WebShopEnv
from proxmo.envs.webshop.catalog.tagger import MODELS, WordTagger
from proxmo.envs.webshop.shop.reward import reward


def read(path: Path) -> Any:
    with gzip.open(path, "rt", encoding="utf-8") as stream:
        return json.load(stream)


@pytest.fixture(scope="module")
def purchases(shared: Path) -> list[dict[str, Any]]:
    return read(shared / "rewards.json.gz")


@pytest.fixture
def with_spacy() -> None:
    if not any(find_spec(model) for model in MODELS):
        pytest.skip("spaCy's English model is not installed (the extra webshop-tagger)")


def test_goals_are_made_as_recorded(official: Catalog, shared: Path):
    recorded = read(shared / "goals.json.gz")
    assert len(official.goals) == len(recorded["goals"]) == 6910
    for ours, theirs in zip(official.goals, recorded["goals"], strict=True):
        assert {
            "asin": ours.asin,
            "category": ours.category,
            "query": ours.query,
            "name": ours.title,
            "product_category": ours.product_category,
            "instruction_text": ours.instruction,
            "attributes": ours.attributes,
            "price_upper": ours.price_upper,
            "goal_options": ours.options,
            "weight": ours.weight,
        } == theirs
    prices = {p.asin: float(official.prices[i]) for i, p in enumerate(official.products)}
    assert prices == recorded["prices"]


def test_recorded_goals_are_taken_as_they_are(official: Catalog, shared: Path, tmp_path: Path):
    taken = Catalog.load(
        shared / "items_shuffle_1000.json.gz",
        shared / "items_ins_v2_1000.json.gz",
        goals=shared / "goals.json.gz",
        seed=1,  # not that of the record: prices and caps come from the file
        cache=tmp_path,
    )
    assert list(taken.goals) == list(official.goals)
    assert taken.prices.tolist() == official.prices.tolist()


def test_search_finds_the_recorded_products_in_the_recorded_order(official: Catalog, shared: Path):
    queries, results = read(shared / "lucene_top50.json.gz")
    assert len(queries) == 815
    wrong = [
        query
        for query, found in zip(queries, results, strict=True)
        if [official.products[place].asin for place in official.search(query.lower())]
        != [asin for asin, _ in found]
    ]
    assert wrong == []


def test_purchases_are_worth_what_was_recorded(
    official: Catalog, purchases: list[dict[str, Any]], with_spacy: None
):
    assert len(purchases) == 3000
    for bought in purchases:
        place = official.find(bought["asin"])
        assert place is not None
        score, parts = reward(
            official.products[place],
            float(official.prices[place]),
            bought["options"],
            official.goals[bought["goal"]],
            official.nouns,
        )
        assert (score, parts) == (bought["reward"], bought["detail"])


def test_scores_with_the_substitute_tagger_mostly_agree(
    official: Catalog, purchases: list[dict[str, Any]]
):
    # Figures of docs/webshop.md.
    nouns = WordTagger().nouns
    same, apart = 0, 0.0
    for bought in purchases:
        place = official.find(bought["asin"])
        assert place is not None
        price, goal = float(official.prices[place]), official.goals[bought["goal"]]
        score, _ = reward(official.products[place], price, bought["options"], goal, nouns)
        assert (score == 1) == (bought["reward"] == 1)
        same += score == bought["reward"]
        apart += abs(score - bought["reward"])
    assert same / len(purchases) >= 0.96
    assert apart / len(purchases) <= 0.005


def test_recorded_episodes_replay_without_a_difference(
    official: Catalog, shared: Path, with_spacy: None
):
    with gzip.open(shared / "transcripts.jsonl.gz", "rt", encoding="utf-8") as stream:
        episodes = [json.loads(line) for line in stream]
    assert sum(len(episode["steps"]) for episode in episodes) == 3079
    for episode in episodes:
        env = WebShopEnv(official, episode["mode"], max_steps=1000)
        observation, info = env.reset(options={"goal": episode["goal"]})
        assert observation == episode["initial"]
        assert info["available_actions"] == episode["available"]
        for step in episode["steps"]:
            observation, _, done, _, info = env.step(step["action"])
            assert observation == step["observation"]
            assert (info["score"], done) == (step["reward"], step["done"])
            assert info["reward_parts"] == step.get("detail", {})
            if not done:
                assert info["available_actions"] == step["available"]
        assert len(episode["steps"]) > 0
