"""The stream of generated products: reproducible, in the official fields, worth buying."""

import hashlib
import json
import os
import subprocess
import sys
from collections import Counter
from itertools import islice

import pytest

from proxmo.envs.webshop import Catalog
from proxmo.envs.webshop.catalog.entries import Entry
from proxmo.envs.webshop.catalog.official import parse_product
from proxmo.envs.webshop.generator.assortment import assortment
from proxmo.envs.webshop.generator.generator import generate
from proxmo.envs.webshop.shop.reward import reward
from proxmo.errors import InputError


def digest(pairs) -> str:
    return hashlib.sha256(json.dumps(list(pairs)).encode()).hexdigest()


def test_a_product_does_not_depend_on_how_many_follow():
    assert digest(generate(3, 50)) == digest(islice(generate(3, 5000), 50))


def test_same_seed_same_products_in_processes_with_different_hash_seeds():
    code = (
        "import hashlib, json; from proxmo.envs.webshop.generator.generator import generate;"
        "print(hashlib.sha256(json.dumps(list(generate(7, 200))).encode()).hexdigest())"
    )
    digests = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for hash_seed in ("1", "77")
    }
    assert digests == {digest(generate(7, 200))}


def test_different_seeds_sell_different_products():
    titles = [{product["name"] for product, _ in generate(seed, 300)} for seed in (0, 1)]
    assert not titles[0] & titles[1]


def test_products_come_one_at_a_time():
    stream = generate(0, 10**12)
    assert next(stream)[0]["asin"] != next(stream)[0]["asin"]


def test_identifiers_are_unique_and_short_enough():
    names = [product["asin"] for product, _ in generate(1, 20_000)]
    assert len(set(names)) == 20_000
    assert {len(name) for name in names} == {10}


def test_products_and_entries_have_the_official_fields():
    for product, entry in generate(2, 500):
        parsed, prices = parse_product(Entry("generated", "a product", product), [])
        assert parsed.title
        assert all(low > 0 for low in prices)
        assert prices == sorted(prices)
        assert parsed.category in {"beauty", "electronics", "fashion", "garden", "grocery"}
        assert parsed.product_category.count(" › ") >= 1
        assert all(len(set(v)) == len(v) >= 2 for v in parsed.options.values())
        if entry is not None:
            assert entry["attributes"]
            named = entry.get("instruction_attributes", [])
            assert set(named) <= set(entry["attributes"])
            assert ("instruction" in entry) == bool(named)


def test_instructions_name_the_query_and_every_attribute():
    told = [(p, e) for p, e in generate(4, 500) if e and "instruction" in e]
    assert 150 < len(told) < 265  # 41.5 % of 500, five standard deviations either way
    for product, entry in told:
        assert product["query"] in entry["instruction"]
        assert len(entry["instruction_attributes"]) >= 2
        assert all(name in entry["instruction"] for name in entry["instruction_attributes"])


def test_departments_come_as_often_as_in_the_official_set():
    counts = Counter(product["category"] for product, _ in generate(5, 4000))
    official = {"beauty": 238, "electronics": 229, "garden": 216, "fashion": 200, "grocery": 117}
    for name, per_mille in official.items():
        # Four standard deviations of a share near 0.2 over 4,000 draws: 0.025.
        assert counts[name] / 4000 == pytest.approx(per_mille / 1001, abs=0.025)


def test_several_products_answer_to_each_query():
    counts = Counter(product["query"] for product, _ in generate(6, 2000))
    assert set(counts) == {kind.query for kind in assortment().types}
    assert min(counts.values()) >= 5


def test_a_negative_number_is_refused():
    with pytest.raises(InputError, match="num_products must be >= 0, got -1"):
        next(generate(0, -1))


def test_buying_what_is_asked_for_is_worth_1_for_nearly_all_goals(tmp_path):
    catalog = Catalog.generate(0, 600, cache=tmp_path)
    scores = []
    for goal in catalog.goals:
        assert isinstance(goal.options, dict)
        product, price = catalog.products[goal.product], float(catalog.prices[goal.product])
        scores.append(reward(product, price, goal.options, goal, str.split)[0])
    assert sum(score == 1.0 for score in scores) / len(scores) > 0.98
