"""What names a policy, and what lies on record beside it."""

import dataclasses

import pytest

from proxmo.cold_start.demonstrations import Demonstrations
from proxmo.cold_start.recipe import (
    damaged_file,
    made_otherwise,
    name_of,
    recipe_of,
    shown_in,
    write_recipe,
)
from proxmo.config import SftConfig
from proxmo.envs.spec import EnvSpec

SPEC = EnvSpec("doors", env="unused:Doors", tasks="unused:tasks")
SHOWN = Demonstrations([[]], played=2, errors=3, first_error="stuck", failed_types={"door": 1})


def recipe(data=None, spec=SPEC, **settings):
    return recipe_of(spec, data and str(data), SftConfig(**settings), None)


def test_contents_name_a_policy_and_their_place_does_not(tmp_path):
    for name, text in (("one", "a door"), ("two", "a door"), ("three", "a window")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "task").write_text(text)
    one, two, three = (name_of(recipe(tmp_path / name)) for name in ("one", "two", "three"))
    assert one == two != three
    (tmp_path / "one" / "task").write_text("a gate")
    assert name_of(recipe(tmp_path / "one")) not in (one, three)


def test_what_the_environment_says_otherwise_is_another_policy():
    start = SPEC.cold_start
    others = [
        dataclasses.replace(SPEC, generator_version="2"),
        dataclasses.replace(SPEC, max_steps=7),
        dataclasses.replace(SPEC, cold_start=dataclasses.replace(start, history=5)),
        dataclasses.replace(SPEC, cold_start=dataclasses.replace(start, worlds=2)),
    ]
    assert len({name_of(recipe(spec=spec)) for spec in [SPEC, *others]}) == 5


def test_a_setting_that_says_what_is_so_anyway_is_the_same_policy():
    assert name_of(recipe(epochs=1)) == name_of(recipe())
    assert name_of(recipe(epochs=2)) != name_of(recipe())


def test_the_record_tells_what_was_shown_and_which_file_is_damaged(tmp_path):
    (tmp_path / "weights").write_text("1 2 3")
    write_recipe(tmp_path, recipe(), SHOWN)
    assert shown_in(tmp_path) == "1 of 2 demonstrations succeeded, 3 more broke off"
    assert made_otherwise(tmp_path, recipe()) is None
    assert made_otherwise(tmp_path, recipe(seed=4)) == ("seed", 0, 4)
    assert damaged_file(tmp_path) is None
    (tmp_path / "weights").write_text("1 2 4")
    assert damaged_file(tmp_path) == "weights"


@pytest.mark.parametrize("text", ["{}", '{"files": {}}'])
def test_a_record_that_names_no_files_vouches_for_none(tmp_path, text):
    (tmp_path / "recipe.json").write_text(text)
    assert damaged_file(tmp_path) == "recipe.json"


def test_noise_makes_another_policy_and_none_the_policy_that_there_was(tmp_path):
    among, without = (recipe_of(SPEC, None, SftConfig(), None, noise) for noise in (0.5, 0.0))
    assert without == recipe()
    assert name_of(among) != name_of(without)
    write_recipe(tmp_path, among, SHOWN)
    assert made_otherwise(tmp_path, among) is None
    assert made_otherwise(tmp_path, without) == ("noise", 0.5, 0.0)
