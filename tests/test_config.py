"""The settings of a run: what is refused and by which name, and what a file keeps of them."""

import dataclasses
import math
import tomllib
from dataclasses import dataclass

import pytest
import tomli_w

from proxmo import CREDIT, GRPO, GiGPO, InputError, ProxMO, ReleasedProxMO
from proxmo.config import (
    SftConfig,
    TrainConfig,
    config_dict,
    load_config,
    parse_config,
    with_method,
)


def parsed(text):
    return parse_config(tomllib.loads(text), where="test")


def again(config):
    """The settings after a trip through a file."""
    return parsed(tomli_w.dumps(config_dict(config)))


def test_no_settings_are_the_vetted_run():
    assert parsed("") == TrainConfig()
    assert TrainConfig().credit == ProxMO()


@pytest.mark.parametrize("method", CREDIT)
def test_the_settings_of_credit_are_the_methods_own_dataclass(method):
    config = parsed(f"[credit]\nmethod = '{method}'")
    assert config.credit == CREDIT[method]()
    assert again(config) == config


def test_every_option_of_a_method_can_be_set():
    config = parsed("[credit]\nsimilarity = 'tfidf'\ntoken_pattern = '.'\nmax_features = 7\n")
    assert config.credit == ProxMO(token_pattern=".", max_features=7)
    released = parsed("[credit]\nmethod = 'proxmo-released'\nmode = 'mean_norm'\n")
    assert released.credit == ReleasedProxMO(mode="mean_norm")
    assert again(released) == released


@pytest.mark.parametrize("option", [{"gamma": 0.0}, {"modulation": 1.0}, {"gamma": 1}])
def test_what_the_method_takes_a_run_takes(option):
    assert parse_config({"credit": option}, where="test").credit == ProxMO(**option)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("gamma = 2", "credit.gamma is 2; it must be a number >= 0 and <= 1"),
        ("step_weight = inf", "credit.step_weight is inf; it must be finite"),
        ("normalize = 'median'", "credit.normalize is 'median'; choose one of 'mean', 'std'"),
        ("token_pattern = '['", "credit.token_pattern is '[', no regular expression"),
        ("method = 'gripo'", "credit method is 'gripo'; choose one of proxmo, "),
        ("method = 3", "credit method is 3; choose one of proxmo, "),
        ("alhpa = 3", "credit method 'proxmo' has no option 'alhpa'; did you mean 'alpha'?"),
        ("method = 'grpo'\ngamma = 0.9", "credit method 'grpo' has no option 'gamma'; it has "),
        (
            "method = 'proxmo-released'\nsimilarity_threshold = 0.5",
            "credit.similarity_threshold is 0.5, and mode 'soft' has no use for one",
        ),
    ],
)
def test_what_a_method_refuses_is_refused_by_name(text, message):
    with pytest.raises(InputError) as error:
        parsed(f"[credit]\n{text}")
    assert f"test: {message}" in str(error.value)


def test_credit_that_is_no_table_is_refused():
    with pytest.raises(InputError, match=r"credit = 3: .* give a table with a method"):
        parsed("credit = 3")


def test_a_file_that_lists_the_defaults_of_every_method_is_read():
    # As run folders of proxmo 0.5 do.
    all_of_them = (
        "gamma = 0.95\nalpha = 4.0\nmodulation = 0.05\ntemperature = 0.1\nstep_weight = 1.0\n"
        "similarity = 'tfidf'\ninvalid_action_penalty = 0.2\n"
    )
    grpo = parsed(f"[credit]\nmethod = 'grpo'\n{all_of_them}")
    assert grpo.credit == GRPO(invalid_action_penalty=0.2)
    proxmo = parsed(f"[credit]\nmethod = 'proxmo'\n{all_of_them}")
    assert proxmo.credit == ProxMO(invalid_action_penalty=0.2)


def test_a_new_method_is_a_class_and_a_name(monkeypatch):
    @dataclass(frozen=True)
    class Mine:
        sharpness: float = 2.0

        def __call__(self, steps):
            raise NotImplementedError

    monkeypatch.setitem(CREDIT, "mine", Mine)
    config = parsed("[credit]\nmethod = 'mine'\nsharpness = 3.0\n")
    assert config.credit == Mine(3.0)
    assert config_dict(config)["credit"] == {"method": "mine", "sharpness": 3.0}


def test_another_method_keeps_what_was_changed_and_not_the_defaults():
    config = parsed("[credit]\nmethod = 'proxmo'\ngamma = 0.9\n")
    # ProxMO's own `normalize` is "mean", GRPO's "std".
    assert with_method(config, "gigpo").credit == GiGPO(gamma=0.9)
    assert with_method(TrainConfig(), "grpo").credit == GRPO()
    with pytest.raises(InputError, match="'grpo' has no option 'gamma'"):
        with_method(config, "grpo")


def test_a_function_cannot_be_kept_in_a_file():
    config = TrainConfig(credit=ProxMO(similarity=lambda texts: [[1.0] for _ in texts]))
    with pytest.raises(InputError, match=r"credit\.similarity is a function"):
        config_dict(config)


def floats():
    """(section, name) of every number in the settings that is not a whole one."""
    for entry in dataclasses.fields(TrainConfig):
        section = getattr(TrainConfig(), entry.name)
        for setting in dataclasses.fields(section):
            if "float" in str(setting.type).lower() and "dtype" not in setting.name:
                yield entry.name, setting.name


@pytest.mark.parametrize(("section", "name"), floats())
@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan])
def test_every_number_is_finite(section, name, value):
    if name in ("alpha", "temperature") and section == "credit" and value == math.inf:
        # A limit of the method: no modulation, and the mean of the group.
        assert getattr(parse_config({section: {name: value}}, where="test").credit, name) == value
        return
    with pytest.raises(InputError, match=rf"{section}\.{name} (is|=) -?(inf|nan)"):
        parse_config({section: {name: value}}, where="test")


@pytest.mark.parametrize("name", ["stumble", "observation_weight", "action_share", "learning_rate"])
def test_the_numbers_of_a_cold_start_are_finite(name):
    with pytest.raises(ValueError, match=name):
        dataclasses.replace(SftConfig(), **{name: math.nan})


def test_groups_of_one_are_refused():
    with pytest.raises(InputError, match=r"rollout\.group_size = 1: .* equal to 2"):
        parsed("[rollout]\ngroup_size = 1")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\xff\xfe\x00", "is not valid TOML"),
        (b"credit = ", "is not valid TOML"),
        (b"a = " + b"[" * 100_000, "is nested too deeply"),
        (b"[rollout]\ngroupsize = 4", "rollout.groupsize is not a setting; did you mean"),
        (b"rollout = 3", "rollout = 3"),
    ],
)
def test_a_file_that_is_no_settings_is_refused_by_name(tmp_path, content, message):
    path = tmp_path / "run.toml"
    path.write_bytes(content)
    with pytest.raises(InputError) as error:
        load_config(path)
    assert str(path) in str(error.value)
    assert message in str(error.value)


def test_a_folder_is_no_settings_file(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        load_config(tmp_path)


@pytest.mark.parametrize("rate", [0.0, 1e3, 1e308])
def test_a_learning_rate_that_ruins_every_weight_is_refused(rate):
    with pytest.raises(InputError, match=r"optim\.learning_rate = "):
        parse_config({"optim": {"learning_rate": rate}}, where="test")
