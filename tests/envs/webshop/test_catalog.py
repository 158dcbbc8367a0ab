"""Files: what is read of them, what is wrong with them, what is built and kept."""

import gzip
import json
import logging
import multiprocessing
import os
import pickle
import random
import shutil
import time
from pathlib import Path
from typing import Any

import pytest
from shop import GOAL, HUMAN, INSTRUCTIONS, PRODUCTS, Files, options, product

from proxmo.envs import fingerprint
from proxmo.envs.webshop import Catalog
from proxmo.envs.webshop.catalog import tagger
from proxmo.envs.webshop.catalog.nouns import TitleNouns
from proxmo.envs.webshop.catalog.tagger import WordTagger
from proxmo.errors import InputError

ONE = {"B000000001": {"attributes": [], "instruction": "x", "instruction_attributes": ["y"]}}


def test_products_are_read_as_webshop_reads_them(catalog: Catalog):
    first, second, third, fourth = catalog.products[:4]
    assert first.options == {"size": ["small", "large | xl"], "color": ["red", "navy blue"]}
    assert (first.query, first.attributes) == ("mugs", ["dishwasher safe", "easy clean"])
    assert (second.price_tag, third.price_tag, fourth.price_tag) == (
        "$20.0 to $30.0", "$100.0", "$1250.5",
    )  # fmt: skip
    assert third.features == ["Leak proof"]
    assert third.attributes == ["DUMMY_ATTR"]
    assert catalog.prices[0] == 12.0
    assert 20 <= catalog.prices[1] <= 30
    assert catalog.prices[2] == 100.0


def test_goals_tell_the_options_and_the_price(catalog: Catalog):
    texts = {goal.instruction for goal in catalog.goals if goal.asin == "B000000001"}
    cap = next(goal.price_upper for goal in catalog.goals if goal.asin == "B000000001")
    assert cap in (30.0, 40.0, 50.0)  # the larger of two of 20, 30, 40, 50
    assert texts == {
        f"Find me dishwasher safe mugs with color: {color}, and size: {size}, "
        f"and price lower than {cap:.2f} dollars"
        for color in ("red", "navy blue")
        for size in ("small", "large | xl")
    }
    chair = next(goal for goal in catalog.goals if goal.asin == "B000000004")
    assert chair.instruction == "Find me heavy duty chairs"  # no cap above 990
    assert chair.price_upper == 1_000_000


def test_weights_are_the_mean_inverse_frequency_of_the_attributes(catalog: Catalog):
    # "dishwasher safe" is in 4 + 1 goals, "easy clean" in 1.
    weights = {goal.asin: goal.weight for goal in catalog.goals}
    assert weights["B000000001"] == pytest.approx(1 / 5)
    assert weights["B000000002"] == pytest.approx((1 + 1 / 5) / 2)


def test_long_double_and_nameless_identifiers_are_left_out(files: Files):
    names = ["B000000001", "B000000001", "nan", "B0000000011"]
    assert len(files.load([product(name, "mug") for name in names], ONE).products) == 1


def test_num_products_takes_the_first(files: Files):
    assert len(files.load(num_products=2).products) == 2


def test_packed_files_are_the_same(files: Files, catalog: Catalog):
    paths = []
    for name, content in (("i.json.gz", PRODUCTS), ("n.json.gz", INSTRUCTIONS)):
        paths.append(files.folder / name)
        paths[-1].write_bytes(gzip.compress(json.dumps(content).encode()))
    packed = Catalog.load(paths[0], paths[1], cache=files.folder)
    assert list(packed.products) == list(catalog.products)
    assert list(packed.goals) == list(catalog.goals)


def test_instructions_for_unknown_products_are_passed_over(files: Files, catalog: Catalog):
    more = files.load(instructions=INSTRUCTIONS | {"B0UNKNOWN0": ONE["B000000001"]})
    assert list(more.goals) == list(catalog.goals)
    assert len(files.load(human_instructions=files.write("h.json", HUMAN)).goals) == 1


def test_recorded_goals_bring_their_prices(files: Files):
    content = {"goals": [GOAL], "prices": {"B000000001": 49.5, "B0UNKNOWN0": 1}}
    catalog = files.load(
        goals=files.write("goals.json", content),
        human_instructions=files.write("h.json", HUMAN),  # the recorded ones come first
    )
    assert [goal.instruction for goal in catalog.goals] == ["Find me mugs"]
    assert catalog.goals[0].options == {"size": "small"}
    assert catalog.prices[0] == 49.5


def test_an_option_without_values_leaves_no_goal(files: Files):
    shop = [product("B000000001", "mug", customization_options={"size": []})]
    with pytest.raises(InputError, match="no instruction in"):
        files.load(shop, ONE)


@pytest.mark.parametrize("names", [10, 30])
def test_more_combinations_of_options_than_a_catalog_holds_are_refused(files: Files, names: int):
    many = {f"option {n}": [f"value {v}" for v in range(10)] for n in range(names)}
    shop = [product("B000000001", "mug", customization_options=options(**many))]
    with pytest.raises(InputError, match=f"options have 1{'0' * names} combinations"):
        files.load(shop, ONE)


@pytest.mark.parametrize("number", [0, -1, 2.5])
def test_a_number_of_products_that_is_none_is_refused(files: Files, number: Any):
    with pytest.raises(InputError, match=f"num_products must be .*, got {number}"):
        files.load(num_products=number)


def test_a_generated_catalog_too_small_for_a_goal_says_so(tmp_path: Path):
    with pytest.raises(InputError, match="generate more of them"):
        Catalog.generate(0, 1, cache=tmp_path)


def test_a_damaged_built_catalog_is_named_with_the_way_out(files: Files):
    built = files.load().folder
    for path in built.iterdir():
        for cut in (False, True):
            copied = files.folder / f"{path.name}-{cut}"
            shutil.copytree(built, copied)
            (copied / path.name).unlink()
            if cut:
                (copied / path.name).write_bytes(path.read_bytes()[:-1])
            with pytest.raises(InputError, match="damaged"):
                Catalog.open(copied)


def test_a_byte_flipped_in_a_built_catalog_is_found_wherever_it_is(files: Files):
    built = files.load().folder
    rng = random.Random(0)
    for path in sorted(built.glob("*.[nb]*")):
        whole = path.read_bytes()
        for _ in range(5):
            copied = files.folder / "copied"
            shutil.copytree(built, copied)
            flipped = bytearray(whole)
            flipped[rng.randrange(len(whole))] ^= 1 << rng.randrange(8)
            (copied / path.name).write_bytes(flipped)
            with pytest.raises(InputError, match=f"damaged: {path.name} is not as it was written"):
                Catalog(copied)
            shutil.rmtree(copied)


def test_a_catalog_that_was_opened_before_is_refused_once_a_file_of_it_changes(
    files: Files, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("PROXMO_CACHE", str(files.folder / "digests"))
    monkeypatch.setattr(fingerprint, "_SETTLED", 0)
    built = files.load().folder
    Catalog(built)  # its digests are remembered from here on
    for path in sorted(built.glob("*.[nb]*")):
        whole, before = path.read_bytes(), path.stat()
        flipped = bytearray(whole)
        flipped[len(whole) // 2] ^= 1
        for content in (flipped, whole):
            time.sleep(0.02)  # the clock of a file system goes on by milliseconds
            with path.open("r+b") as stream:
                stream.write(content)
            os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
            if content is whole:
                Catalog(built)
                continue
            with pytest.raises(InputError, match=f"damaged: {path.name} is not as it was written"):
                Catalog(built)


@pytest.mark.parametrize("meta", ["[]", "3", "{}", "[" * 100_000, '{"format": 3, "digests": []}'])
def test_a_built_catalog_of_wrong_kinds_is_refused(files: Files, meta: str):
    built = files.load().folder
    (built / "meta.json").write_text(meta)
    with pytest.raises(InputError, match="holds no built catalog that can be read"):
        Catalog(built)


def test_damaged_archives_and_absent_files_are_refused(files: Files):
    items = files.write("items.json", PRODUCTS)
    entries = files.write("entries.json", INSTRUCTIONS)
    packed = files.folder / "packed.gz"
    packed.write_bytes(gzip.compress(json.dumps(PRODUCTS).encode())[:-40])
    with pytest.raises(InputError, match=r"packed.gz is damaged or cut short"):
        Catalog.load(packed, entries, cache=files.folder)
    with pytest.raises(InputError, match=r"cannot read .*absent"):
        Catalog.load(files.folder / "absent", entries, cache=files.folder)
    (files.folder / "latin.json").write_bytes(b'["\xff"]')
    with pytest.raises(InputError, match="not UTF-8"):
        Catalog.load(files.folder / "latin.json", entries, cache=files.folder)
    with pytest.raises(InputError, match="holds no built catalog"):
        Catalog.open(files.folder)
    with pytest.raises(InputError, match="set \\$PROXMO_CACHE"):
        Catalog.load(items, entries, cache=items)


def test_a_failed_build_leaves_nothing(files: Files):
    with pytest.raises(InputError):
        files.load(json.dumps(PRODUCTS)[:-1])
    assert list((files.folder / "cache").iterdir()) == []


def test_what_a_build_that_was_killed_left_is_swept_and_one_that_goes_on_is_not(files: Files):
    cache = files.folder / "cache"
    left, going = cache / ".unfinished-99999999-2-old", cache / ".unfinished-99999999-4-new"
    for folder in (left, going):
        folder.mkdir(parents=True)
        (folder / "products.bin").write_bytes(b"x")
    os.utime(left, (1, 1))
    files.load()
    assert not left.exists()
    assert going.exists()


def test_a_catalog_is_built_once_until_a_file_changes(files: Files):
    built: list[int] = []
    first = files.load(on_progress=built.append)
    assert built == [0, 6]
    again = Catalog.load(
        files.folder / "items.json",
        files.folder / "instructions.json",
        cache=files.folder / "cache",
        on_progress=built.append,
    )
    assert again is first
    assert built == [0, 6]
    assert len(files.load([*PRODUCTS, product("B000000007", "Cup")]).products) == 7


def test_a_catalog_is_of_its_files_contents_whatever_their_time_and_place(files: Files):
    first = files.load()
    items = files.folder / "items.json"
    before = items.stat()
    items.write_text(json.dumps(PRODUCTS).replace("Red Stoneware Mug", "Red Stoneware Cup"))
    os.utime(items, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert items.stat().st_size == before.st_size
    paths = items, files.folder / "instructions.json"
    changed = Catalog.load(*paths, cache=files.folder / "cache")
    assert changed.products[0].title == "Red Stoneware Cup"
    assert first.products[0].title == "Red Stoneware Mug"
    moved = [path.rename(files.folder / "cache" / path.name) for path in paths]
    assert Catalog.load(*moved, cache=files.folder / "cache") is changed


def test_of_two_processes_that_build_the_same_the_first_is_kept(
    files: Files, monkeypatch: pytest.MonkeyPatch
):
    paths = files.write("items.json", PRODUCTS), files.write("entries.json", INSTRUCTIONS)
    first: list[Catalog] = []

    def meanwhile(_: int) -> None:
        monkeypatch.setattr("os.getpid", lambda: -1)
        first.append(Catalog.load(*paths, cache=files.folder / "cache"))
        monkeypatch.undo()

    second = Catalog.load(*paths, cache=files.folder / "cache", on_progress=meanwhile)
    assert second is first[0]
    assert len(list((files.folder / "cache").iterdir())) == 1


def test_a_pickled_catalog_is_small_and_the_same(catalog: Catalog):
    pickled = pickle.dumps(catalog)
    assert len(pickled) < 1000
    assert pickle.loads(pickled) is catalog


def _search(catalog: Catalog) -> list[str]:
    return [catalog.products[place].asin for place in catalog.search("red mug")]


def test_other_processes_read_the_same_catalog(catalog: Catalog):
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.apply(_search, (catalog,)) == _search(catalog)


def test_products_are_found_by_their_identifier(catalog: Catalog):
    assert [catalog.find(p.asin) for p in catalog.products] == list(range(6))
    assert catalog.find("B0UNKNOWN0") is catalog.find("ZZZ") is catalog.find("é") is None


def test_a_catalog_of_strange_texts_is_read(files: Files):
    strange = "\ud83d \x00 \u2028 ½ 😀 " + "x" * 300
    shop = [
        product("ÀÉÎÕÜ漢字あア", strange, customization_options=options(**{strange: [strange]}))
    ]
    entry = {"attributes": [strange], "instruction": strange, "instruction_attributes": [strange]}
    catalog = files.load(shop, {"ÀÉÎÕÜ漢字あア": entry})
    assert catalog.products[0].title == strange
    assert catalog.search(strange) == [0]
    assert catalog.find("ÀÉÎÕÜ漢字あア") == 0
    assert catalog.with_attribute(strange) == [0]
    assert isinstance(catalog.nouns(strange), list)


def test_nouns_are_found_once_and_kept(tmp_path: Path):
    class Counting(WordTagger):
        calls = 0

        def nouns(self, title: str) -> list[str]:
            Counting.calls += 1
            return super().nouns(title)

    nouns = TitleNouns(tmp_path, Counting())
    assert nouns("Red Mug with 2 Lids") == ["mug", "lids"] == nouns("Red Mug with 2 Lids")
    (kept,) = tmp_path.iterdir()
    with kept.open("a") as stream:
        stream.write('3\n["Red Mug with 2 Lids", ["tea"]]\n["Red Mug with 2 Lids", ["tea"], "0"]\n')
        stream.write("[" * 100_000 + '\n["half a li')
    assert TitleNouns(tmp_path, Counting())("Red Mug with 2 Lids") == ["mug", "lids"]
    assert Counting.calls == 1


def test_without_spacy_the_substitute_is_named_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    monkeypatch.setattr(tagger, "MODELS", ())
    tagger.default_tagger.cache_clear()
    with caplog.at_level(logging.WARNING):
        assert isinstance(tagger.default_tagger(), WordTagger)
        assert isinstance(tagger.default_tagger(), WordTagger)
    tagger.default_tagger.cache_clear()
    (record,) = caplog.records
    assert "pip install 'proxmo[webshop-tagger]'" in record.getMessage()
