"""`proxmo evaluate` of a model that runs here: what its result says, and what it may replace."""

import json

import pytest
from tiny import tiny_policy

from proxmo import cli

THINKS = (
    "{% for m in messages %}<|act|>{{ m['role'] }}: {{ m['content'] }}{% endfor %}"
    "{% if add_generation_prompt %}<|act|>{% if quiet %}<think></think>{% endif %}{% endif %}"
)
"""A chat template that answers its own thought where it is told to."""


@pytest.fixture
def model(tmp_path):
    policy = tiny_policy("window", template={"quiet": True})
    policy.tokenizer.chat_template = THINKS
    policy.save(tmp_path / "model")
    return tmp_path / "model"


@pytest.fixture
def evaluate(model, tmp_path, capsys):
    def run(*options):
        out = tmp_path / "result.json"
        told = ["--model", str(model), "--out", str(out), "--tasks", "1", "--max-steps", "1"]
        code = cli.main(["evaluate", *told, *options])
        said = capsys.readouterr()
        return code, said.out + said.err, json.loads(out.read_text())

    return run


def test_the_template_that_was_in_effect_is_on_record_though_nobody_gave_it(evaluate):
    code, told, result = evaluate()
    assert code == 0, told
    assert result["template"] == {"quiet": True}
    assert result["response_opened"] == "<think></think>"


def test_the_same_command_gives_the_same_result_again(evaluate):
    assert evaluate()[2] == evaluate()[2]


def test_the_result_of_other_weights_behind_the_same_name_stays(evaluate, model):
    _, _, before = evaluate()
    other = tiny_policy("window", template={"quiet": True})
    other.tokenizer.chat_template = THINKS
    next(other.model.parameters()).data.mul_(2)
    other.save(model)
    code, told, after = evaluate()
    assert (code, after) == (2, before)
    assert "weights" in told


def test_the_result_of_other_settings_stays(evaluate):
    _, _, before = evaluate()
    code, told, after = evaluate("--greedy")
    assert (code, after) == (2, before)
    assert "greedy False, and this evaluation has True" in " ".join(told.split())
