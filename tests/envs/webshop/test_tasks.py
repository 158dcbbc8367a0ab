"""Which goals belong to which split, and where the catalog comes from."""

import hashlib
import json
import logging
from pathlib import Path

import pytest
from shop import INSTRUCTIONS, PRODUCTS, Files, product

from proxmo.envs.base import TaskSet
from proxmo.envs.registry import get
from proxmo.envs.webshop import Catalog
from proxmo.envs.webshop.generator.generator import generate
from proxmo.envs.webshop.tasks import load_folder, load_tasks
from proxmo.errors import InputError


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROXMO_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("WEBSHOP_DATA", raising=False)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder with a small catalog of 2,000 goals, in 100 products."""
    sizes = {"size": [{"value": f"size {n}"} for n in range(20)]}
    names = [f"B{n:09d}" for n in range(100)]
    shop = [product(name, f"mug {name}", customization_options=sizes) for name in names]
    entry = {"attributes": [], "instruction": "Find me mugs", "instruction_attributes": ["y"]}
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "items_shuffle_1000.json").write_text(json.dumps(shop))
    (folder / "items_ins_v2_1000.json").write_text(json.dumps(dict.fromkeys(names, entry)))
    return folder


def numbers(split: str, data: Path) -> list[int]:
    return [task.options["goal"] for task in load_tasks(split, str(data))]


def test_splits_by_goal_are_those_of_the_papers(data: Path):
    assert numbers("test", data) == numbers("valid", data) == list(range(500))
    assert numbers("train", data) == list(range(500, 2000))
    assert numbers("eval", data) == list(range(500, 1500))


def test_splits_by_product_share_no_product(data: Path):
    train, valid = load_tasks("train_products", str(data)), load_tasks("valid_products", str(data))
    assert isinstance(train, TaskSet)
    sold = [
        {tasks.catalog.goals[task.options["goal"]].asin for task in tasks}
        for tasks in (train, valid)
    ]
    assert not sold[0] & sold[1]
    assert len(sold[0]) + len(sold[1]) == 100
    assert 3 <= len(sold[1]) <= 20
    assert len(train) + len(valid) == 2000


def test_tasks_name_their_goal_and_share_one_catalog(data: Path):
    tasks = load_tasks("test", str(data), count=3)
    assert [task.id for task in tasks] == ["goal-0", "goal-1", "goal-2"]
    assert {task.task_type for task in tasks} == {"garden"}
    assert load_tasks("train", str(data)).catalog is tasks.catalog


def test_the_folder_may_come_from_the_environment(data: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("WEBSHOP_DATA", str(data))
    assert len(load_tasks("test")) == 500


def test_the_full_catalog_comes_before_the_small_one_and_has_human_goals(files: Files):
    files.write("items_shuffle_1000.json", PRODUCTS[:1])
    files.write("items_ins_v2_1000.json", INSTRUCTIONS)
    human = {
        "B000000002": [
            {"instruction": "a mug", "instruction_attributes": ["x"], "instruction_options": []}
        ]
    }
    files.write("items_human_ins.json", human)
    assert len(load_folder(files.folder).goals) == 4
    files.write("items_shuffle.json", PRODUCTS)
    files.write("items_ins_v2.json", INSTRUCTIONS)
    catalog = load_folder(files.folder)
    assert (len(catalog.products), len(catalog.goals)) == (6, 1)


def test_a_catalog_that_is_built_says_so_and_one_that_is_kept_does_not(
    files: Files, caplog: pytest.LogCaptureFixture
):
    files.write("items_shuffle_1000.json", PRODUCTS)
    files.write("items_ins_v2_1000.json", INSTRUCTIONS)
    caplog.set_level(logging.INFO, logger="proxmo")
    load_folder(files.folder)
    assert caplog.messages == ["building the catalog; it is kept for the next time"]
    load_folder(files.folder)
    assert len(caplog.messages) == 1


def test_unusable_folders_and_splits_are_refused(data: Path, tmp_path: Path):
    with pytest.raises(InputError, match=r"no split 'tests' \(known: eval, test, train, train_p"):
        load_tasks("tests", str(data))
    with pytest.raises(InputError, match=r"is not a folder\. WebShop's setup script"):
        load_tasks("test", str(tmp_path / "absent"))
    with pytest.raises(InputError, match=r"has no catalog\. WebShop's setup script"):
        load_tasks("test", str(tmp_path))
    with pytest.raises(InputError, match="count must be >= 1"):
        load_tasks("test", str(data), count=0)
    with pytest.raises(InputError, match="no split 'eval', only 'train' and 'valid'"):
        load_tasks("eval")


def test_a_split_without_goals_is_refused(files: Files):
    files.write("items_shuffle_1000.json", PRODUCTS)
    files.write("items_ins_v2_1000.json", INSTRUCTIONS)
    with pytest.raises(InputError, match="split 'train' has no goals: the catalog has 6"):
        load_tasks("train", str(files.folder))


def test_generated_catalogs_to_train_and_to_evaluate_differ():
    train, valid = load_tasks("train", seed=5), load_tasks("valid", seed=5)
    sold = [{product.title for product in tasks.catalog.products} for tasks in (train, valid)]
    assert len(sold[0] & sold[1]) <= 0.02 * len(sold[0])
    assert load_tasks("train", seed=5).catalog is train.catalog
    assert len(train.catalog.products) == 1000
    assert {task.task_type for task in train} <= {
        "beauty", "electronics", "fashion", "garden", "grocery",
    }  # fmt: skip


def test_a_generated_catalog_of_no_products_is_refused():
    with pytest.raises(InputError, match="num_products must be a whole number >= 1"):
        Catalog.generate(0, 0)


def test_the_fingerprint_is_that_of_the_files_that_are_read(data: Path, tmp_path: Path):
    spec = get("webshop")
    before = spec.fingerprint(str(data))
    (data / "notes.txt").write_text("x")
    assert spec.fingerprint(str(data)) == before
    items = data / "items_shuffle_1000.json"
    items.write_text(items.read_text().replace("mug", "cup", 1))
    assert spec.fingerprint(str(data)) != before
    with pytest.raises(InputError, match="is not a folder"):
        spec.fingerprint(str(tmp_path / "absent"))


def test_other_generated_products_are_another_version_of_the_generator():
    # If this fails, raise `generator_version` in the spec, and write the new digest here.
    made = json.dumps(list(generate(7, 1000))).encode()
    digest = hashlib.sha256(made).hexdigest()[:16]
    assert (get("webshop").generator_version, digest) == ("1", "9190cd2bf8dc7f6f")
