"""What a tokenizer keeps in one piece, and what it never fails to read."""

import pytest

from proxmo.cold_start.tokenizer import train_tokenizer

HOUSE = ["You arrive at cabinet 12. On the cabinet 12, you see a mug 1."] * 20
SHOP = [
    "WebShop [SEP] Instruction: [SEP] find a mug with size: 12, and price lower than 20.00 "
    "dollars [SEP] B0N1C5U30D [SEP] CORWICK mug [SEP] $18.97 [SEP] B0N1C5U31X [SEP] mug, set "
    "of 2 [SEP] $4.10"
] * 20


def pieces(tokenizer, text):
    return [tokenizer.decode([token]) for token in tokenizer(text)["input_ids"]]


def test_a_numbered_thing_is_one_token_and_so_is_a_phrase_between_things():
    tokenizer = train_tokenizer(HOUSE, 500)
    assert pieces(tokenizer, HOUSE[0]) == [
        *("You arrive at", " cabinet 12", ". On the", " cabinet 12", ", you see a"),
        *(" mug 1", "."),
    ]


def test_other_texts_fall_into_words_though_numbers_follow_some():
    tokenizer = train_tokenizer(SHOP, 500, numbered_things=False)
    assert pieces(tokenizer, " [SEP] find a mug with size: 12") == [
        *(" [SEP]", " find", " a", " mug", " with", " size", ":", " 12")
    ]


@pytest.mark.parametrize("numbered", [True, False])
def test_no_text_is_unknown(numbered):
    tokenizer = train_tokenizer(HOUSE, 400, numbered_things=numbered)
    for text in ("café 🛒 [SEP]\n\ttab", "B0", "ABCDEFGHIJKLM", " ", "12"):
        assert tokenizer.decode(tokenizer(text)["input_ids"]) == text
