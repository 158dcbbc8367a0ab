"""Text from outside: what may enter, and what a terminal may be shown."""

from proxmo.text import clean, shown


def test_half_characters_and_control_characters_are_replaced():
    assert clean("a\ud800b\x1b[31mc\x00\x9b") == "a\ufffdb\ufffd[31mc\ufffd\ufffd"


def test_text_in_order_is_left_alone():
    text = "Küche 厨房 🍳\tshelf\r\n‮"
    assert clean(text) is text or clean(text) == text


def test_what_acts_on_a_terminal_is_seen_instead():
    assert shown("done\rfailed \u202egnorw") == "done\\u000dfailed \\u202egnorw"
    assert shown("two\nlines") == "two\nlines"
