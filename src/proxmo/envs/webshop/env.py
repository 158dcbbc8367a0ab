"""WebShop as a Gymnasium environment."""

from __future__ import annotations

import copy
import string
from typing import Any, get_args

import gymnasium
from gymnasium.spaces import Text

from proxmo.envs.base import Info
from proxmo.envs.webshop.catalog.catalog import Catalog
from proxmo.envs.webshop.catalog.goals import goal_id
from proxmo.envs.webshop.shop.pages import ObservationMode
from proxmo.envs.webshop.shop.session import ShopSession
from proxmo.errors import InputError

_MAX_TEXT = 1_000_000
SEARCH = "search[<your query>]"
"""Stands among the admissible actions for a search with any words."""


class AnyText(Text):
    """Texts of any characters: product titles have emoji and every script."""

    def __init__(self) -> None:
        super().__init__(_MAX_TEXT, min_length=0, charset=string.printable)

    def contains(self, x: Any) -> bool:
        """Whether `x` is a text that is not too long."""
        return isinstance(x, str) and len(x) <= self.max_length


class WebShopEnv(gymnasium.Env[str, str]):
    """Shopping by instruction; behaves exactly like WebShop's own text environment.

    `reset(options={"goal": 17})` starts with that goal of the catalog; without one a goal is
    drawn in proportion to its weight. A catalog may come with the options too:
    `reset(options={"catalog": catalog, "goal": 17})`. `step` takes "search[words]" or
    "click[text]"; anything else changes nothing. The reward is `success_reward` if what is
    bought has the score 1, else 0; `graded`, it is `success_reward` times the score. The episode
    ends with a purchase, or is truncated after `max_steps`. Many environments share one catalog.

    `info` has, besides what every environment gives (`proxmo.envs.base.Info`):
    `available_actions` ({"has_search_bar": bool, "clickables": list[str]}), `has_search_bar`,
    `score` (WebShop's own reward: 0 until something is bought), `reward_parts` (see
    `proxmo.envs.webshop.shop.reward`; empty until then), `goal` (the instruction) and `goal_id`.
    """

    metadata = {"render_modes": []}  # noqa: RUF012 (Gymnasium's name and form)

    def __init__(
        self,
        catalog: Catalog | None = None,
        observation_mode: ObservationMode = "text",
        max_steps: int = 15,
        *,
        success_reward: float = 10.0,
        graded: bool = False,
    ):
        if max_steps < 1:
            raise InputError(f"max_steps must be >= 1, got {max_steps}")
        if observation_mode not in get_args(ObservationMode):
            raise InputError(
                f"observation_mode must be 'text' or 'text_rich', got {observation_mode!r}"
            )
        self.catalog = catalog
        self.observation_mode: ObservationMode = observation_mode
        self.max_steps = max_steps
        self.success_reward = float(success_reward)
        self.graded = graded
        self.observation_space = AnyText()
        self.action_space = AnyText()
        self._session: ShopSession | None = None
        self._steps = 0
        self._over = False

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[str, Info]:
        """Start with `options["goal"]`; the search page, and `info`."""
        super().reset(seed=seed)
        options = options or {}
        catalog = options.get("catalog", self.catalog)
        if not isinstance(catalog, Catalog):
            got = "none" if catalog is None else type(catalog).__name__
            raise InputError(
                f"the environment needs a catalog (got {got}): "
                "WebShopEnv(Catalog.generate(seed=0, num_products=1000))"
            )
        index = self._choose(catalog, options.get("goal"))
        self._session = session = ShopSession(catalog, catalog.goals[index], self.np_random)
        self._steps, self._over = 0, False
        return session.observation(self.observation_mode), self._info(session, True)

    def step(self, action: str) -> tuple[str, float, bool, bool, Info]:
        """Carry out an action; see the class. Raises `InputError` after the end."""
        session = self._session
        if session is None or self._over:
            state = "has not begun" if session is None else "has ended"
            raise InputError(f"the episode {state}; call reset() before step()")
        if not isinstance(action, str):
            raise InputError(f"an action is a str, got {type(action).__name__}")
        valid = session.act(action)
        self._steps += 1
        truncated = not session.over and self._steps >= self.max_steps
        self._over = session.over or truncated
        info = self._info(session, valid)
        worth = info["score"] if self.graded else float(info["success"])
        reward = self.success_reward * worth
        observation = session.observation(self.observation_mode)
        return observation, reward, session.over, truncated, info

    def fork(self) -> WebShopEnv:
        """A copy that goes on from here on its own; both share the catalog."""
        other = copy.copy(self)
        if self._session is not None:
            other.np_random = copy.deepcopy(self.np_random)
            other._session = self._session.fork(other.np_random)
        return other

    def _info(self, session: ShopSession, valid: bool) -> Info:
        score, parts = session.result or (0.0, {})
        clickables = session.clickables
        has_search_bar = session.has_search_bar
        # The search button is not clicked: it comes with the words.
        actions = [f"click[{name}]" for name in clickables if name != "search"]
        return {
            "admissible_actions": [SEARCH, *actions] if has_search_bar else actions,
            "available_actions": {
                "has_search_bar": has_search_bar,
                "clickables": list(clickables),
            },
            "has_search_bar": has_search_bar,
            "success": score == 1.0,
            "valid": valid,
            "score": score,
            "reward_parts": dict(parts),
            "task_type": session.goal.category,
            "goal": session.goal.instruction,
            "goal_id": goal_id(session.goal.index),
        }

    def _choose(self, catalog: Catalog, goal: Any) -> int:
        number = len(catalog.goals)
        if goal is None:
            return catalog.goals.draw(float(self.np_random.random()))
        if isinstance(goal, bool) or not hasattr(goal, "__index__"):
            raise InputError(f"a goal is its number, got {type(goal).__name__}")
        index = goal.__index__()
        if not 0 <= index < number:
            raise InputError(
                f"there is no goal {index}; the catalog has {number}, numbered from 0 to "
                f"{number - 1}"
            )
        return index
