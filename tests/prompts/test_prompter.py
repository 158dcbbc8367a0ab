"""What a policy reads, and what is read of its response."""

import pytest

from proxmo.errors import InputError
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


class Spelling:
    """A codec of a world that shouts: what is read is lower case, what is said upper case."""

    def shown(self, text, observation):
        return text.lower()

    def said(self, action, observation):
        return f"{action.lower()} at {len(observation)}"

    def meant(self, response, observation):
        return response.removesuffix(f" at {len(observation)}").upper()


def test_numbered_prompts_are_written_by_the_environments_codec():
    prompter = Prompter("numbered", codec=Spelling())
    assert prompter.opening("WIN", "A ROOM", []) == "a room"
    assert prompter.following("A ROOM", []) == "a room"
    assert prompter.window("WIN", [("HALL", "GO")], "A ROOM", []) == (
        "Your task is to: WIN\n\nhall\n> go at 4\na room"
    )


def test_numbered_responses_are_read_by_the_codec_with_what_was_seen():
    prompter = Prompter("numbered", codec=Spelling())
    assert prompter.response("", "GO", "HALL") == "go at 4"
    assert prompter.parse(" go at 4\n", "HALL") == ("GO", True)
    assert prompter.parse("  ", "HALL") == ("", False)


@pytest.mark.parametrize("style", ["compact", "think"])
def test_other_styles_show_texts_as_they_are(style):
    prompter = Prompter(style, codec=Spelling())
    assert "A ROOM" in prompter.opening("WIN", "A ROOM", [])
    assert "GO" in prompter.response("", "GO", "A ROOM")


def test_numbered_without_a_codec_is_refused_by_name():
    with pytest.raises(InputError, match="'numbered' needs an environment that has a codec"):
        Prompter("numbered")


def test_the_list_of_actions_can_be_left_out():
    prompter = Prompter("think", list_actions=False)
    assert prompter.opening("win", "room", ["look"]).endswith("Observation: room")
    assert prompter.following("room", ["look"]) == "Observation: room"
    assert prompter.window("win", PAST, "room", ["look"]).endswith("Observation: room")


@pytest.mark.parametrize(
    ("opened", "response", "valid"),
    [
        ("<think>\n", "It is dark.</think>\n<action>use lamp</action>", True),
        ("<think>\n", "It is dark.\n<action>use lamp</action>", False),
        # Thinking switched off: the template writes an empty thought itself.
        ("<think>\n\n</think>\n\n", "<action>use lamp</action>", True),
        # A server's template has opened it, and nobody says so.
        ("", "It is dark.</think>\n<action>use lamp</action>", True),
    ],
)
def test_an_answer_is_judged_with_what_the_template_opened(opened, response, valid):
    assert Prompter("think", opened=opened).parse(response) == ("use lamp", valid)


def test_what_the_template_opened_is_never_an_action():
    assert Prompter("think", opened="<think>\n").parse(" ") == ("", False)
    assert Prompter("compact", opened="<think>\n").parse("look") == ("look", True)
