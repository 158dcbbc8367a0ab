"""Reading responses: in one pass, and as the expressions say that define it."""

import random
import re
import time

import pytest

from proxmo.prompts.parsing import parse, without_thoughts

PIECES = [
    "<think>",
    "</think>",
    "<action>",
    "</action>",
    "\n",
    " ",
    "\t",
    "Observation",
    "s",
    ":",
    "x",
]


def as_defined(response: str) -> tuple[str, bool]:
    """The format by backtracking expressions: clear, and quadratic or worse."""
    invented = re.compile(r"(?<=</action>)\s*\n\s*Observation\b.*", re.DOTALL)
    response = invented.sub("", response)
    found = re.findall(r"<action>(.*?)</action>", response, re.DOTALL)
    if not found:
        return response.strip()[-100:], False
    return found[-1].strip(), "</think>" in response


def test_small_responses_are_read_as_the_expressions_define():
    rng = random.Random(0)
    for _ in range(20_000):
        response = "".join(rng.choices(PIECES, k=rng.randrange(14)))
        assert parse(response) == as_defined(response), response


@pytest.mark.parametrize(
    "response",
    [
        "<action>" * 1_000_000,
        "</action>" + "\n" * 5_000_000,
        ("</action>" + "\n" * 40) * 100_000,
        "<think>" * 1_000_000,
        "<action></action>" * 500_000,
        "\n" * 5_000_000 + "Observation",
        ("</action>" + " " * 40 + "Observation") * 100_000,
    ],
    ids=["open", "newlines", "closed", "thoughts", "empty", "space", "invented"],
)
def test_ten_million_characters_take_no_time(response):
    began = time.process_time()
    parse(response)
    without_thoughts(response)
    assert time.process_time() - began < 5.0


@pytest.mark.parametrize(
    ("response", "told"),
    [
        ("<think>hm</think> Look first.", " Look first."),
        ("hm</think> Look first.", " Look first."),
        ("A<think>b</think>C<think>d</think>E", "ACE"),
        ("Look<think>and then", "Look"),
        ("Look.", "Look."),
    ],
)
def test_thoughts_are_left_out_of_advice(response, told):
    assert without_thoughts(response) == told
