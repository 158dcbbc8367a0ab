"""A response in the paper's format to its action, in one pass over the text.

A model may write anything, ten million characters of `<action>` among it: nothing here looks at
a character more than a few times.
"""

from __future__ import annotations

import re

_THOUGHT = "</think>"
_ACT, _ACTED = "<action>", "</action>"
_THOUGHTS = re.compile(r"<think>.*?(?:</think>|\Z)", re.DOTALL)
# What a model that was shown whole episodes may go on to write after its action. Space is
# matched possessively: it is never tried again with less of it.
_INVENTED = re.compile(r"</action>(\s*+)Observation\b")
_NONSENSE = 100
"""Characters of a response without an action that are sent as one."""


def parse(response: str, opened: str = "") -> tuple[str, bool]:
    """The action in `<think>...</think><action>...</action>`, and whether both parts are there.

    `opened` is what stood before the response already. A thought needs only its end: some servers
    leave out what a template opens. Observations that the response goes on to invent, and what it
    would do then, are left out. What has no action is sent as it is, cut to its end, so that the
    environment answers it as it answers any nonsense.
    """
    response = _without_invention(response)
    action = _last_action(response)
    if action is None:
        return response.strip()[-_NONSENSE:], False
    return action.strip(), _THOUGHT in opened or _THOUGHT in response


def without_thoughts(text: str) -> str:
    """A response without the thoughts in it, the one included that was opened before it."""
    return _THOUGHTS.sub("", text).rpartition(_THOUGHT)[2]


def _without_invention(response: str) -> str:
    for found in _INVENTED.finditer(response):
        if "\n" in found[1]:
            return response[: found.start(1)]
    return response


def _last_action(response: str) -> str | None:
    action, end = None, 0
    while (start := response.find(_ACT, end)) >= 0:
        start += len(_ACT)
        if (stop := response.find(_ACTED, start)) < 0:
            break
        action, end = response[start:stop], stop + len(_ACTED)
    return action
