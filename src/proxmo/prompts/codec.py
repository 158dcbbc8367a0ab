"""How an environment's texts are abbreviated for a policy."""

from __future__ import annotations

from typing import Protocol


class Codec(Protocol):
    """An environment's own way of writing its texts shorter, used by the style `numbered`.

    `meant(said(action, observation), observation)` is the action again, for every action that is
    possible where `observation` is seen.
    """

    def shown(self, text: str, observation: str) -> str:
        """`text`, which belongs to `observation`, as the policy reads it."""
        ...

    def said(self, action: str, observation: str) -> str:
        """The response that says `action` to `observation`."""
        ...

    def meant(self, response: str, observation: str) -> str:
        """The action that `response` says to `observation`."""
        ...


class Verbatim:
    """Texts as they are."""

    def shown(self, text: str, observation: str) -> str:
        """`text`."""
        return text

    def said(self, action: str, observation: str) -> str:
        """`action`."""
        return action

    def meant(self, response: str, observation: str) -> str:
        """`response`."""
        return response
