"""What is left out of a prompt that would be too long."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Prompt:
    """What a policy is asked, and whether something was left out for want of room."""

    text: str
    cut: bool = False


Render = Callable[[int, Sequence[str], str], str]
"""`(untold, actions, guidance)`: a prompt without its oldest `untold` turns."""


def fitted(
    render: Render,
    turns: int,
    actions: Sequence[str],
    guidance: str,
    fits: Callable[[str], bool],
) -> Prompt:
    """The most of a prompt that fits.

    The oldest of its `turns` are left out first, then the list of actions, then the guidance,
    whole, with which turns and list come back as far as they fit. Rules, task and observation
    always stay: where they alone are too long, so is what is returned.
    """
    whole = render(0, actions, guidance)
    if fits(whole):
        return Prompt(whole)
    text = whole
    for told in dict.fromkeys((guidance, "")):
        untold = bisect_left(range(turns), True, key=lambda n: fits(render(n, actions, told)))
        text = render(untold, actions, told)
        if not fits(text):
            text = render(turns, (), told)
        if fits(text):
            break
    return Prompt(text, cut=True)
