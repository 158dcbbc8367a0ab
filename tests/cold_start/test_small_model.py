"""How the weights of the small model begin."""

import pytest
import torch

from proxmo.cold_start.model import make_model
from proxmo.cold_start.tokenizer import train_tokenizer

HOUSE = ["You arrive at cabinet 12. On the cabinet 12, you see a mug 1."] * 20


def test_tokens_of_one_word_begin_alike_and_as_large_as_any():
    tokenizer = train_tokenizer([*HOUSE, "Cabinet 3 or a mug 12: which cabinet?"] * 9, 500)
    embedding = make_model(tokenizer, seed=0).model.embed_tokens.weight.detach()

    def row(text):
        (token,) = tokenizer(text)["input_ids"]
        return embedding[token]

    def likeness(one, other):
        return torch.cosine_similarity(row(one), row(other), dim=0)

    assert likeness(" cabinet 12", " cabinet") > 0.5
    assert 0.1 < likeness(" cabinet 12", " mug 12") < likeness(" cabinet 12", " cabinet")
    assert abs(likeness(" cabinet", " mug 12")) < 0.25
    assert row(" cabinet 12").std() == pytest.approx(float(embedding.std()), rel=0.15)
