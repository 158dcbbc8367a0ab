"""What a prompt loses when it is too long, and in which order."""

import pytest

from proxmo.prompts import Prompter

PAST = [(f"room {n}", f"go {n}") for n in range(1, 5)]


def within(limit):
    return lambda text: len(text) <= limit


def window(prompter, limit, guidance="", past=PAST):
    actions = ["look", "go"]
    return prompter.turn("window", "win", past, "A HALL", actions, guidance, within(limit))


@pytest.mark.parametrize("style", ["think", "compact"])
def test_what_fits_is_told_whole(style):
    prompter = Prompter(style, 3)
    whole = prompter.window("win", PAST, "A HALL", ["look", "go"], "Be quick.")
    told = window(prompter, len(whole), "Be quick.")
    assert (told.text, told.cut) == (whole, False)
    assert window(prompter, len(whole) - 1, "Be quick.").cut


def test_the_oldest_turns_go_first_and_the_others_keep_their_numbers():
    prompter = Prompter("think", 3)
    whole = prompter.window("win", PAST, "A HALL", ["look", "go"])
    assert "Observation 2: room 2" in whole
    told = window(prompter, len(whole) - 1)
    assert "You have acted 4 times" in told.text
    assert "room 2" not in told.text
    assert "Observation 3: room 3\nAction 3: go 3\nObservation 4: room 4" in told.text
    assert "Admissible actions" in told.text


def test_a_bare_window_loses_its_oldest_lines():
    prompter = Prompter("compact", 2)
    past = "> go 1\n> go 2\nroom 3\n> go 3\nroom 4\n> go 4\n"
    whole = f"Your task is to: win\n\n{past}A HALL"
    assert window(prompter, len(whole)).text == whole
    for lost in ["> go 1\n", "> go 1\n> go 2\n", "> go 1\n> go 2\nroom 3\n> go 3\n"]:
        left = whole.replace(lost, "")
        assert window(prompter, len(left)).text == left


def test_the_list_of_actions_goes_after_the_turns_and_the_guidance_last():
    prompter = Prompter("think", 3)
    bare = prompter.window("win", [], "A HALL", [], "Be quick.")
    told = window(prompter, len(bare), "Be quick.")
    assert (told.text, told.cut) == (bare, True)
    # Without guidance of a thousand characters there is room for all else.
    whole = prompter.window("win", PAST, "A HALL", ["look", "go"])
    assert window(prompter, len(whole), "Long. " * 200).text == whole


@pytest.mark.parametrize("style", ["think", "compact"])
def test_rules_task_and_observation_stay_though_nothing_fits(style):
    prompter = Prompter(style, 3)
    told = window(prompter, 1, "Be quick.")
    assert told.cut
    assert told.text == prompter.window("win", [], "A HALL", [])


def test_an_opening_loses_its_list_and_its_guidance():
    prompter = Prompter("think")
    bare = prompter.opening("win", "A HALL", [], "Be quick.")
    fits = within(len(bare))
    opening = prompter.turn("conversation", "win", [], "A HALL", ["look"], "Be quick.", fits)
    assert (opening.text, opening.cut) == (bare, True)


def test_a_later_message_of_a_conversation_is_never_cut():
    prompter = Prompter("think")
    told = prompter.turn("conversation", "win", PAST, "A HALL", ["look"], "Be quick.", within(1))
    assert (told.text, told.cut) == (prompter.following("A HALL", ["look"]), False)
