"""Terms and ranking, against rules and numbers worked out by hand."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shop import Files, product

from proxmo.envs.webshop import Catalog
from proxmo.envs.webshop.search.analyzer import STOP_WORDS, analyze
from proxmo.envs.webshop.search.lengths import _kept_length, _length_byte, length_factors
from proxmo.envs.webshop.search.stemmer import stem


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("The Women's T-Shirts", ["women", "t", "shirt"]),
        ("women’s", ["women"]),
        ("1,000 mAh, v2.0", ["1,000", "mah", "v2.0"]),
        ("size:xl 3:4", ["size:xl", "3", "4"]),
        ("don't a_b _", ["don't", "a_b"]),
        ('16" x 16"', ["16", "x", "16"]),
        ("漢字 カタカナ ひら", ["漢", "字", "カタカナ", "ひ", "ら"]),
        ("❤️ 👍🏽 ® ☆", ["❤️", "👍🏽", "®"]),
        ("10–11 ½ 【new】", ["10", "11", "new"]),
        ("of the", []),
        ("", []),
    ],
)
def test_text_is_parted_as_lucene_does(text: str, terms: list[str]):
    assert analyze(text) == terms


@pytest.mark.parametrize(
    ("word", "stemmed"),
    [
        ("caresses", "caress"), ("ponies", "poni"), ("cats", "cat"), ("agreed", "agre"),
        ("feed", "feed"), ("plastered", "plaster"), ("sing", "sing"), ("conflated", "conflat"),
        ("hopping", "hop"), ("falling", "fall"), ("filing", "file"), ("happy", "happi"),
        ("sky", "sky"), ("relational", "relat"), ("possibly", "possibl"), ("apology", "apolog"),
        ("triplicate", "triplic"), ("goodness", "good"), ("adoption", "adopt"),
        ("replacement", "replac"), ("controller", "control"), ("rate", "rate"), ("roll", "roll"),
        ("as", "as"), ("4gbs", "4gb"),
    ],
)  # fmt: skip
def test_words_are_stemmed_by_porters_rules(word: str, stemmed: str):
    assert stem(word) == stemmed


def test_overlong_words_are_cut():
    assert [len(term) for term in analyze("x" * 600)] == [255, 255, 90]


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=60))
def test_terms_of_any_text_are_lower_case_and_no_stop_words(text: str):
    terms = analyze(text)
    assert all(term and term not in STOP_WORDS for term in terms)
    assert all(term == term.lower() or not term.isascii() for term in terms)


def test_lengths_are_kept_in_one_byte():
    # Exact up to 40, then with four significant bits counted from 24 (Lucene's SmallFloat).
    assert [_kept_length(_length_byte(n)) for n in (0, 7, 39, 40, 41, 100, 107, 1000)] == [
        0, 7, 39, 40, 40, 96, 104, 984,
    ]  # fmt: skip


def test_documents_without_terms_do_not_count_in_the_mean_length():
    assert length_factors(np.array([10, 0], np.uint32))[0] == pytest.approx(1 / 0.9)


def test_scores_order_products_by_bm25(files: Files):
    catalog = files.load(
        [
            product("B000000001", "red mug"),
            product("B000000002", "red red mug mug mug"),
            product("B000000003", "green mug"),
            product("B000000004", "a chair"),
        ],
        {"B000000001": {"attributes": [], "instruction": "x", "instruction_attributes": ["y"]}},
    )

    def score(occurrences: dict[str, int], length: int) -> float:
        with_term, mean = {"red": 2, "mug": 3}, 10 / 4
        factor = 1 / (0.9 * (0.6 + 0.4 * length / mean))
        return sum(
            math.log(1 + (4 - with_term[t] + 0.5) / (with_term[t] + 0.5))
            * (1 - 1 / (1 + n * factor))
            for t, n in occurrences.items()
        )

    scores = [score({"red": 1, "mug": 1}, 2), score({"red": 2, "mug": 3}, 5), score({"mug": 1}, 2)]
    assert scores[1] > scores[0] > scores[2]
    assert list(catalog.search("red mug")) == [1, 0, 2]
    assert list(catalog.search("chairs")) == [3]
    assert list(catalog.search("nothing like it")) == []


def test_equal_scores_are_ordered_by_identifier(files: Files):
    names = ["B000000003", "B000000001", "B000000002"]
    entries = {names[0]: {"attributes": [], "instruction": "x", "instruction_attributes": ["y"]}}
    catalog = files.load([product(name, "mug") for name in names], entries)
    assert [catalog.products[n].asin for n in catalog.search("mug")] == sorted(names)


def test_a_word_that_is_repeated_in_the_query_weighs_more(catalog: Catalog):
    def best(query: str) -> str:
        return catalog.products[catalog.search(query)[0]].title

    assert best("tea mug") == "Red Stoneware Mug"
    assert best("tea tea tea mug") == "Kettle for Tea"


def test_terms_that_are_skipped_change_no_result(files: Files):
    """Frequent terms are looked up for few documents only; all of them give the same order."""
    rng = np.random.default_rng(0)
    words = [f"w{n}" for n in range(40)]
    odds = 1 / np.arange(1, 41)
    names = [f"C{n:09d}" for n in range(600)]
    titles = [" ".join(rng.choice(words, size=8, p=odds / odds.sum())) for _ in names]
    entries = {names[0]: {"attributes": [], "instruction": "x", "instruction_attributes": ["y"]}}
    pairs = zip(names, titles, strict=True)
    catalog = files.load([product(name, title) for name, title in pairs], entries)
    factors = length_factors(np.full(600, 8, np.uint32))
    texts = [analyze(title) for title in titles]
    for query in ("w0 w1 w39", "w0 w1 w2 w3 w30 w35", "w0 w38 w38", "w5"):
        scores = np.zeros(600)
        for term in query.split():
            occurrences = np.array([text.count(term) for text in texts])
            matched = np.count_nonzero(occurrences)
            weight = np.log(1 + (600 - matched + 0.5) / (matched + 0.5))
            scores += weight * (1 - 1 / (1 + occurrences * factors))
        expected = np.lexsort((np.arange(600), -scores.round(5)))[:50]
        found = catalog.search(query)
        assert scores[found].round(5).tolist() == scores[expected].round(5).tolist()
