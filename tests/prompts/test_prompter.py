"""What a policy reads, and what is read of its response."""

import pytest

from proxmo.prompts import Prompter

PAST = [("room", "go north"), ("hall", "go east"), ("kitchen", "take cup")]


def test_compact_shows_the_observation_alone():
    prompter = Prompter("compact")
    assert prompter.opening("find a cup", "room", ["look"]) == "room"
    assert prompter.following("hall", ["look"]) == "hall"


def test_think_tells_the_goal_once_and_the_actions_each_turn():
    prompter = Prompter("think")
    opening = prompter.opening("find a cup", "room", ["look", "go north"])
    assert "<think>" in opening
    assert "<action>" in opening
    assert opening.endswith(
        "Your task is to: find a cup\n\nObservation: room\nAdmissible actions: 'look', 'go north'"
    )
    assert prompter.following("hall", ["look"]) == "Observation: hall\nAdmissible actions: 'look'"
    assert prompter.following("hall", []) == "Observation: hall"


@pytest.mark.parametrize(
    ("history", "told"),
    [
        (0, "> go north\n> go east\n> take cup\n"),
        (2, "> go north\nhall\n> go east\nkitchen\n> take cup\n"),
        (9, "room\n> go north\nhall\n> go east\nkitchen\n> take cup\n"),
    ],
)
def test_a_compact_window_tells_the_last_turns_and_the_actions_before(history, told):
    window = Prompter("compact", history).window("find a cup", PAST, "table", ["look"])
    assert window == f"Your task is to: find a cup\n\n{told}table"


def test_a_task_that_the_observation_tells_is_not_told_twice():
    prompter = Prompter("compact", 0)
    assert prompter.window("win", [("a", "b")], "How to win", []) == "> b\nHow to win"


def test_a_think_window_numbers_turns_from_the_start_of_the_episode():
    window = Prompter("think", 2).window("find a cup", PAST, "table", ["look"])
    assert "You have acted 3 times" in window
    assert "Observation 2: hall\nAction 2: go east\nObservation 3: kitchen" in window
    assert "room" not in window
    assert window.endswith("Observation: table\nAdmissible actions: 'look'")


def test_a_think_window_without_a_past_is_the_opening():
    prompter = Prompter("think")
    assert prompter.window("win", [], "room", ["look"]) == prompter.opening("win", "room", ["look"])


@pytest.mark.parametrize(
    ("style", "response", "action", "valid"),
    [
        ("compact", " go north\n", "go north", True),
        ("compact", " \n", "", False),
        ("think", "<think>hm</think><action> look </action>", "look", True),
        ("think", "<action>look</action>", "look", False),
        ("think", "<think>a</think><action>no</action><action>yes</action>", "yes", True),
        ("think", "<think>a</think> look", "<think>a</think> look", False),
        ("think", "x" * 200 + "end", "x" * 97 + "end", False),
    ],
)
def test_parsing(style, response, action, valid):
    assert Prompter(style).parse(response) == (action, valid)


def test_observations_that_a_response_goes_on_to_invent_are_left_out():
    told = (
        "<think>so</think><action>look</action>\n\nObservation: A cup.\n"
        "<think>ha</think><action>take cup</action>"
    )
    assert Prompter("think").parse(told) == ("look", True)
    thought = "<think>I read:\nObservation: a cup.</think><action>take cup</action>"
    assert Prompter("think").parse(thought) == ("take cup", True)


@pytest.mark.parametrize("style", ["compact", "think"])
def test_a_response_that_is_written_is_read_back(style):
    prompter = Prompter(style)
    assert prompter.parse(prompter.response("it is dark", "use lamp")) == ("use lamp", True)


@pytest.mark.parametrize("style", ["compact", "think"])
def test_guidance_comes_before_the_task_and_is_told_in_both_contexts(style):
    prompter = Prompter(style)
    for text in (
        prompter.opening("win", "room", ["look"], "Be quick."),
        prompter.window("win", PAST, "room", ["look"], "Be quick."),
    ):
        assert "Be quick.\n\n" in text
        assert "win" not in text[: text.index("Be quick.")]


SHOP = "Page 1 [SEP] B0N1C5U30D [SEP] USB hub, model AB12 [SEP] B09QQP3356 [SEP] B0N1C5U30D"


def test_numbered_prompts_count_the_articles_of_an_observation():
    prompter = Prompter("numbered")
    shown = "Page 1 [SEP] #1 [SEP] USB hub, model AB12 [SEP] #2 [SEP] #1"
    assert prompter.opening("buy a hub", SHOP, []) == shown
    assert prompter.following(SHOP, []) == shown
    assert prompter.window("buy", [(SHOP, "click[B09QQP3356]")], SHOP, []) == (
        f"Your task is to: buy\n\n{shown}\n> click[ #2]\n{shown}"
    )


@pytest.mark.parametrize(
    "action", ["click[B09QQP3356]", "click[B0N1C5U30D]", "search[red #2 mug]", "click[Buy Now]"]
)
def test_numbered_responses_name_the_article_that_stands_there(action):
    prompter = Prompter("numbered")
    assert prompter.parse(prompter.response("", action, SHOP), SHOP) == (action, True)


def test_a_space_in_the_bracket_is_the_prompts_own():
    prompter = Prompter("numbered")
    assert prompter.response("", "search[red [a] mug]") == "search[ red [a] mug]"
    assert prompter.parse("search[ red [a] mug]") == ("search[red [a] mug]", True)
    assert prompter.parse("search[red mug]") == ("search[red mug]", True)


def test_a_number_that_no_article_has_is_left_as_it_is():
    assert Prompter("numbered").parse("click[#3]", SHOP) == ("click[#3]", True)
    assert Prompter("numbered").parse("click[#1]", "Instruction") == ("click[#1]", True)
