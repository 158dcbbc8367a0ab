"""How a small policy reads and writes WebShop: articles by number, words with their spaces.

An article number such as B0N1C5U30D is many tokens that mean nothing; here it is #1, #2 and so
on, in the order in which the page shows them. Actions have a space after their bracket,
"click[ red]": a tokenizer then has one token for a word, wherever it stands.
"""

from __future__ import annotations

import re

_ARTICLE = re.compile(r"\b[A-Z](?=[A-Z]*[0-9])[A-Z0-9]{7,}\b")
_NUMBER = re.compile(r"(?<=\[)#([0-9]+)(?=\])")


class ArticleNumbers:
    """A `proxmo.prompts.Codec`; every method is given the page that is answered."""

    def shown(self, text: str, observation: str) -> str:
        """`text` as the policy reads it: the articles of `observation` by number."""
        numbers = {article: f"#{n}" for n, article in enumerate(_articles(observation), 1)}
        return _ARTICLE.sub(lambda found: numbers.get(found[0], found[0]), text)

    def said(self, action: str, observation: str) -> str:
        """The response that says `action` to `observation`: what `meant` reads."""
        return self.shown(action, observation).replace("[", "[ ", 1)

    def meant(self, response: str, observation: str) -> str:
        """The action that `response` says; a number that is not on the page stays as it is."""
        articles = {str(n): article for n, article in enumerate(_articles(observation), 1)}
        action = response.replace("[ ", "[", 1)
        return _NUMBER.sub(lambda found: articles.get(found[1].lstrip("0"), found[0]), action)


def _articles(observation: str) -> list[str]:
    """Article numbers in an observation, each once, in the order in which they stand there."""
    return list(dict.fromkeys(_ARTICLE.findall(observation)))
