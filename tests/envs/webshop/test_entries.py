"""WebShop's files with values of wrong kinds: what is read is named, what is empty is absent."""

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest
from shop import GOAL, HUMAN, INSTRUCTIONS, PRODUCTS, Files, product

from proxmo.errors import InputError

NAN = float("nan")
NO_TEXT = [None, 3, True, NAN, [], ["x"], {"x": "y"}]
NO_TEXTS = [None, 3, True, NAN, "x", {"x": "y"}, [1], ["x", None], ["x", ["y"]]]
NO_NUMBER = [None, True, "50", [50], {}, NAN, float("inf"), -float("inf"), 10**400]
NO_PRICE = [12, True, NAN, ["$1"], {"$1": 1}, "free", "$", "12.00", "$1.2.3", "$" + "9" * 400]
NO_OPTIONS = [3, True, NAN, "red", ["red"], *(
    {"color": wrong}
    for wrong in (3, "red", [3], ["red"], [{}], [{"value": 3}], [{"value": None}], {"value": "x"})
)]  # fmt: skip
FIRST = "B000000001"
KEYS: dict[tuple[str, ...], list[Any]] = {
    ("items", "asin"): NO_TEXT,
    ("items", "name"): NO_TEXT,
    ("items", "category"): NO_TEXT,
    ("items", "query"): NO_TEXT,
    ("items", "product_category"): NO_TEXT,
    ("items", "full_description"): [3, True, NAN, ["x"], {"x": "y"}],
    ("items", "small_description"): [3, True, NAN, {"x": "y"}, [1], ["x", None]],
    ("items", "pricing"): NO_PRICE,
    ("items", "customization_options"): NO_OPTIONS,
    ("instructions", "attributes"): NO_TEXTS,
    ("instructions", "instruction"): [wrong for wrong in NO_TEXT if wrong is not None],
    ("instructions", "instruction_attributes"): [*NO_TEXTS, []],
    ("human", "instruction"): NO_TEXT,
    ("human", "instruction_attributes"): NO_TEXTS,
    ("human", "instruction_options"): NO_TEXTS,
    ("goals", "asin"): [*NO_TEXT, "B0UNKNOWN0"],
    ("goals", "instruction_text"): NO_TEXT,
    ("goals", "attributes"): [*NO_TEXTS, []],
    ("goals", "goal_options"): [None, 3, True, NAN, "x", [1], ["x", None], {"size": 3}],
    ("goals", "price_upper"): NO_NUMBER,
    ("goals", "weight"): [*NO_NUMBER, 0, -1],
    ("goals", "a price"): NO_NUMBER,
}
"""What is read of each file, and values that it is not."""
PLACE = {
    "items": "product 1",
    "instructions": f"the entry of product '{FIRST}'",
    "human": f"number 0 of what it has for product '{FIRST}'",
    "goals": "goal 0",
}


def _content(file: str) -> tuple[Any, dict[str, Any]]:
    """A file's right content, and the entry in it to change."""
    if file == "items":
        content = copy.deepcopy(PRODUCTS)
        return content, content[1]
    if file == "instructions":
        content = copy.deepcopy(INSTRUCTIONS)
        return content, content[FIRST]
    if file == "human":
        human = copy.deepcopy(HUMAN)
        return human, human[FIRST][0]
    goal = dict(GOAL)
    return {"source": 3, "prices": {FIRST: 12}, "goals": [goal]}, goal


def _load(files: Files, file: str, content: Any) -> Any:
    if file in ("items", "instructions"):
        return files.load(**{"products" if file == "items" else file: content})
    name = "human_instructions" if file == "human" else "goals"
    return files.load(**{name: files.write(f"{file}.json", content)})


def _wrong() -> Iterator[Any]:
    for (file, key), values in KEYS.items():
        for value in values:
            yield pytest.param(file, key, value, id=f"{file}-{key}-{value!r:.30}")


@pytest.mark.parametrize(("file", "key", "value"), _wrong())
def test_a_value_of_a_wrong_kind_is_named_with_file_row_key_value_and_way_out(
    files: Files, file: str, key: str, value: Any
):
    content, entry = _content(file)
    place = PLACE[file]
    if key == "a price":
        content["prices"][FIRST], key, place = value, FIRST, "'prices'"
    else:
        entry[key] = value
    with pytest.raises(InputError) as caught:
        _load(files, file, content)
    told = str(caught.value)
    assert told.startswith(str(files.folder / f"{file}.json: "))
    assert repr(key) in told
    assert place in told
    if isinstance(value, dict) and "color" in value:
        value = value["color"]  # the option is told, too
    assert repr(value)[:10].rstrip("'") in told
    assert told.endswith("mend it there, or get the file again")


@pytest.mark.parametrize(
    ("file", "key"),
    [
        (file, key)
        for file, key in KEYS
        if key not in ("a price", "full_description", "small_description", "pricing")
        and key != "customization_options"
        and (file, key) not in (("instructions", "attributes"), ("instructions", "instruction"))
    ],
)
def test_a_value_that_is_missing_is_named(files: Files, file: str, key: str):
    content, entry = _content(file)
    del entry[key]
    with pytest.raises(InputError, match=rf"{file}\.json: .* has no '{key}'; .* get the file"):
        _load(files, file, content)


@pytest.mark.parametrize(
    "content",
    [
        {"prices": []},
        {"goals": {}},
        {"goals": [3]},
        {"goals": [], "prices": {}},
        {},
        {"prices": {}},
        {"goals": [GOAL]},
    ],
)
def test_recorded_goals_of_another_form_are_refused(files: Files, content: Any):
    told = r"(its '(prices|goals)' does not|goal 0 is 3, not a JSON|has no '?(goals|prices))"
    with pytest.raises(InputError, match=r"goals\.json:? " + told):
        _load(files, "goals", content)


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("items", [3], "product 0 is 3, not a JSON object"),
        ("items", [], "there are no products"),
        ("instructions", {FIRST: []}, rf"the entry of product '{FIRST}' is \[\], not a JSON"),
        ("instructions", {FIRST: None}, "is None, not a JSON object"),
        ("instructions", {}, "no instruction in items.json, instructions.json is for one of the 6"),
        ("instructions", {"B0UNKNOWN0": INSTRUCTIONS[FIRST]}, "no instruction in"),
        ("human", {FIRST: "x"}, "what it has for product 'B000000001' is 'x', not a list"),
        ("human", {FIRST: [3]}, "number 0 of what it has for .* is 3, not a JSON object"),
    ],
)
def test_a_file_of_another_form_is_named(files: Files, file: str, content: Any, message: str):
    with pytest.raises(InputError, match=message):
        _load(files, file, content)


@pytest.mark.parametrize("empty", [None, "", 0, False, [], {}])
def test_what_is_empty_is_absent_as_in_webshop(files: Files, empty: Any):
    absent = product(FIRST, "mug")
    keys = ("full_description", "small_description", "pricing", "customization_options")
    for key in keys:
        del absent[key]
    shops = [absent], [absent | dict.fromkeys(keys, empty)]
    first, second = (files.load(shop, INSTRUCTIONS).products[0] for shop in shops)
    assert first == second
    assert first.price_tag == "$100.0"
    odd = product("B000000002", "mug", customization_options={"size": empty, "color": None})
    found = files.load([absent, odd], INSTRUCTIONS).products[1].options
    assert found == ({} if empty is None else {"size": []})


def test_what_is_not_read_may_be_anything(files: Files):
    odd = product(FIRST, "mug", images=NAN, average_rating=NAN, page=[NAN])
    left_out = [{"asin": "nan"}, {"asin": "B0000000011", "name": 3}, {"asin": FIRST}]
    human = {FIRST: [{"instruction_attributes": [], "instruction": 3}, *HUMAN[FIRST]], "x": 3}
    catalog = files.load(
        [odd, *left_out],
        INSTRUCTIONS | {"B0UNKNOWN0": 3},
        human_instructions=files.write("human.json", human),
    )
    assert (len(catalog.products), len(catalog.goals)) == (1, 1)


def test_a_long_value_is_told_in_short(files: Files):
    for value in ("x" * 1_000_000, [["y" * 1000] * 100] * 100, {"k" * 1000: "z" * 1000}):
        with pytest.raises(InputError, match="not a") as caught:
            files.load([product(FIRST, "mug") | {"pricing": value}])
        assert len(str(caught.value)) < 600
    with pytest.raises(InputError) as caught:
        files.load([product("B" * 100_000, "mug") | {"asin": ["B" * 100_000]}])
    assert len(str(caught.value)) < 400


def test_weights_that_are_no_number_together_are_refused(files: Files):
    goal = GOAL | {"weight": 1e308}
    with pytest.raises(InputError, match=r"'weight' of goal 1 is 1e\+308, not a"):
        _load(files, "goals", {"goals": [goal, goal], "prices": {}})


def test_nan_and_infinity_as_json_writes_them_are_refused_where_a_number_is_read(files: Files):
    for word in ("NaN", "Infinity", "-Infinity", "1e999"):
        text = json.dumps({"prices": {FIRST: 1}, "goals": [GOAL]}).replace("50.0", word)
        with pytest.raises(InputError, match=r"'price_upper' of goal 0 is -?(nan|inf), not a fin"):
            _load(files, "goals", text)
