"""How a policy is made, and kept."""

import dataclasses

import pytest

from proxmo.cold_start import make
from proxmo.cold_start.demonstrations import Demonstrations
from proxmo.cold_start.make import cold_start
from proxmo.cold_start.recipe import shown_in
from proxmo.config import PolicyConfig, SftConfig
from proxmo.errors import InputError
from proxmo.policies.transformers import load_policy

SMALL = SftConfig(demonstrations=6, vocabulary=400, batch_tokens=4096)
NOTHING = Demonstrations([], played=10, errors=0, first_error=None, failed_types={"pick": 10})


def with_start(spec, **changes):
    return dataclasses.replace(spec, cold_start=dataclasses.replace(spec.cold_start, **changes))


@pytest.fixture
def untried(monkeypatch):
    monkeypatch.setattr(make, "try_expert", lambda *_, **__: None)


@pytest.mark.usefixtures("untried")
def test_generated_demonstrations_are_divided_among_worlds(alfworld, monkeypatch):
    asked = []
    monkeypatch.setattr(
        type(alfworld),
        "load_tasks",
        lambda self, split, path, seed, count: asked.append((seed, count)) or list(range(count)),
    )
    monkeypatch.setattr(
        make, "demonstrate", lambda spec, tasks, **_: asked.append(tasks) or NOTHING
    )
    spec = with_start(alfworld, worlds=3)
    with pytest.raises(InputError):
        make.make_policy(spec, None, dataclasses.replace(SMALL, demonstrations=8, seed=5))
    assert asked[:3] == [(5, 3), (6, 3), (7, 2)]
    assert sorted(asked[3]) == [0, 0, 0, 1, 1, 1, 2, 2]
    asked.clear()
    with pytest.raises(InputError):
        make.make_policy(spec, "some/data", dataclasses.replace(SMALL, demonstrations=8))
    assert asked[0] == (0, 8)  # what is there is all there is


def test_a_cold_start_is_made_once_and_kept_whole(alfworld, tmp_path, monkeypatch):
    monkeypatch.setenv("PROXMO_CACHE", str(tmp_path))
    told = []
    folder = cold_start(alfworld, None, SMALL, report=told.append)
    assert folder.parent == tmp_path / "cold-start"
    assert {progress.stage for progress in told} == {"demonstrations", "training"}
    assert told[-1].done == told[-1].total
    assert shown_in(folder) == "6 of 6 demonstrations succeeded"
    policy = load_policy(PolicyConfig(model=str(folder)))
    assert (policy.context, policy.settings.style) == ("conversation", "compact")
    monkeypatch.setattr(make, "make_policy", pytest.fail)
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


@pytest.mark.parametrize("name", ["config.json", "diary.txt", ".unfinished-1-2-x", ".lock"])
def test_a_folder_with_anything_else_is_left_alone(alfworld, tmp_path, monkeypatch, name):
    monkeypatch.setattr(make, "make_policy", pytest.fail)
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

    monkeypatch.setattr(make, "make_policy", lambda *_, **__: (Stopped(), NOTHING))
    with pytest.raises(KeyboardInterrupt):
        cold_start(alfworld, None, SMALL, folder=tmp_path / "model")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("untried")
def test_tasks_are_played_again_where_there_are_fewer(alfworld, monkeypatch):
    played = []

    def remember(spec, tasks, **options):
        played.extend(task.id for task in tasks)
        return NOTHING

    monkeypatch.setattr(make, "demonstrate", remember)
    load = type(alfworld).load_tasks
    monkeypatch.setattr(
        type(alfworld),
        "load_tasks",
        lambda self, split, path, seed, count: load(self, split, count=4),
    )
    with pytest.raises(InputError, match="none of 10 demonstrations"):
        make.make_policy(alfworld, None, dataclasses.replace(SMALL, demonstrations=10))
    counts = sorted(played.count(name) for name in set(played))
    assert counts == [2, 2, 3, 3]


def test_other_data_behind_the_same_path_is_another_policy(alfworld, tmp_path, monkeypatch):
    monkeypatch.setenv("PROXMO_CACHE", str(tmp_path))
    mine = cold_start(alfworld, None, SMALL, folder=tmp_path / "mine")
    later = dataclasses.replace(alfworld, generator_version="2")
    with pytest.raises(InputError, match=r"made with data = 'generated tasks \(contents .*\)'"):
        cold_start(later, None, SMALL, folder=mine)
    assert cold_start(alfworld, None, SMALL) != cold_start(later, None, SMALL)


def test_a_damaged_policy_in_the_cache_is_made_again(alfworld, tmp_path, monkeypatch):
    monkeypatch.setenv("PROXMO_CACHE", str(tmp_path))
    folder = cold_start(alfworld, None, SMALL)
    weights = folder / "model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-100] + bytes(100))
    assert cold_start(alfworld, None, SMALL) == folder
    assert weights.read_bytes() == whole
    (folder / "recipe.json").write_bytes(b"\x00[[[")
    assert cold_start(alfworld, None, SMALL) == folder
    (folder / "recipe.json").write_text("{}")
    weights.unlink()
    assert cold_start(alfworld, None, SMALL) == folder
    assert weights.read_bytes() == whole
    (folder / "tokenizer.json").unlink()
    assert cold_start(alfworld, None, SMALL) == folder
    assert (folder / "tokenizer.json").is_file()


@pytest.mark.parametrize("text", ["", "[]", "{", "[" * 10_000, '{"files": 3}', "\udc80"])
def test_a_damaged_recipe_of_ones_own_is_named(alfworld, tmp_path, text):
    (tmp_path / "recipe.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(InputError, match=r"recipe\.json is damaged"):
        cold_start(alfworld, None, SMALL, folder=tmp_path)


def test_a_damaged_policy_of_ones_own_is_named(alfworld, tmp_path, monkeypatch):
    monkeypatch.setenv("PROXMO_CACHE", str(tmp_path / "cache"))
    mine = cold_start(alfworld, None, SMALL, folder=tmp_path / "mine")
    (mine / "proxmo.json").write_text("{}")
    with pytest.raises(InputError, match=r"whose proxmo\.json is not as it was written"):
        cold_start(alfworld, None, SMALL, folder=mine)


def test_too_few_steps_for_any_task_are_refused_before_anything_is_learnt(alfworld, monkeypatch):
    monkeypatch.setattr(make, "demonstrate", pytest.fail)
    with pytest.raises(InputError, match=r"solved 0 of 6 .* 'alfworld', .* at most 2 steps"):
        make.make_policy(alfworld, None, SMALL, max_steps=2)
