"""An environment is found by name, by where it is written, or in an installed package."""

import sys
from importlib import metadata

import pytest

from proxmo.envs import registry
from proxmo.envs.spec import EnvSpec
from proxmo.errors import InputError

TOY = """
from proxmo.envs.spec import EnvSpec
SPEC = EnvSpec("toy", env="toys:Toy", tasks="toys:load_tasks", max_steps=7, data_variable="TOYS")
class Toy:
    def __init__(self, max_steps, loud=False):
        self.max_steps, self.loud = max_steps, loud
def load_tasks(split, path, seed, count):
    return [f"{split} at {path}"]
"""


@pytest.fixture
def toys(tmp_path, monkeypatch):
    (tmp_path / "toys.py").write_text(TOY)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry])
    monkeypatch.delitem(sys.modules, "toys", raising=False)
    yield
    sys.modules.pop("toys", None)


@pytest.mark.usefixtures("toys")
def test_a_module_of_the_working_directory_names_an_environment():
    spec = registry.get("toys:SPEC")
    assert spec.name == "toy"
    env = spec.make(loud=True)
    assert (env.max_steps, env.loud) == (7, True)  # type: ignore[attr-defined]
    assert spec.make(max_steps=3).max_steps == 3  # type: ignore[attr-defined]


@pytest.mark.usefixtures("toys")
def test_an_entry_point_names_an_environment(monkeypatch):
    entry = metadata.EntryPoint("toy", "toys:SPEC", registry.ENTRY_POINTS)
    monkeypatch.setattr(metadata, "entry_points", lambda group: [entry])
    assert "toy" in registry.names()
    assert registry.get("toy").name == "toy"


@pytest.mark.usefixtures("toys")
def test_the_variable_names_the_data_where_the_user_does_not(monkeypatch):
    spec = registry.get("toys:SPEC")
    assert spec.data(None) is None
    monkeypatch.setenv("TOYS", "attic")
    assert spec.data(None) == "attic"
    assert spec.data("cellar") == "cellar"
    assert spec.load_tasks("train")[0] == "train at attic"


@pytest.mark.usefixtures("toys")
@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("alfwrold", "did you mean 'alfworld'"),
        ("nowhere:SPEC", "No module named 'nowhere'"),
        ("toys:NONE", "no attribute 'NONE'"),
        (":SPEC", "':SPEC' cannot be imported"),
        (".toys:SPEC", "'.toys:SPEC' cannot be imported"),
        ("toys:Toy", "is a type; an environment is an EnvSpec"),
    ],
)
def test_what_is_no_environment_is_refused(name, told):
    with pytest.raises(InputError, match=told):
        registry.get(name)


def test_a_name_is_given_once():
    with pytest.raises(InputError, match="registered already"):
        registry.register(EnvSpec("alfworld", env="a:B", tasks="a:c"))


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"name": ""}, "an environment needs a name"),
        ({"env": "toys.Toy"}, "env is 'toys.Toy'; it is written as 'module:attribute'"),
        ({"tasks": "toys:"}, "tasks is 'toys:'; it is written"),
        ({"explain": ":f"}, "explain is ':f'; it is written"),
        ({"max_steps": 0}, "'toy': max_steps must be >= 1, got 0"),
        ({"prompt_tokens": -1}, "prompt_tokens must be >= 1, got -1"),
    ],
)
def test_a_spec_that_cannot_be_is_refused_when_it_is_written(wrong, told):
    with pytest.raises(InputError, match=told):
        EnvSpec(**{"name": "toy", "env": "toys:Toy", "tasks": "toys:load_tasks", **wrong})


@pytest.mark.usefixtures("toys")
def test_what_a_spec_names_and_there_is_not_is_said_with_its_field():
    registry.get("toys:SPEC")  # from here on the working directory is looked through
    spec = EnvSpec("toy", env="toys:Tyo", tasks="tyos:load_tasks", codec="toys:None_")
    with pytest.raises(InputError, match="env is 'toys:Tyo', but 'toys' has no 'Tyo'"):
        spec.make()
    with pytest.raises(InputError, match="but there is no module 'tyos'"):
        spec.load_tasks("train")
    with pytest.raises(InputError, match="codec is 'toys:None_', but 'toys' has no"):
        spec.make_codec()
    with pytest.raises(InputError, match="has no expert to learn from"):
        spec.make_expert(0)


@pytest.mark.usefixtures("toys")
def test_what_a_spec_does_not_say_has_a_plain_answer(tmp_path):
    spec = registry.get("toys:SPEC")
    assert spec.make_codec() is None
    assert spec.explanation({"score": 1.0}) == ()
    assert spec.task_type_name("pick") == "pick"
    assert spec.fingerprint(None) == "generated-1"
    assert len(spec.fingerprint(str(tmp_path / "toys.py"))) == 32
    assert spec.cold_start.demonstrations == 6000


def test_task_types_have_the_order_and_the_names_that_the_spec_gives_them():
    spec = EnvSpec("toy", env="a:B", tasks="a:c", task_types={"put": "Put", "cool": "Cool"})
    told = sorted(["zoo", "cool", "art", "put"], key=spec.task_type_place)
    assert told == ["put", "cool", "art", "zoo"]
    assert [spec.task_type_name(each) for each in told] == ["Put", "Cool", "art", "zoo"]
