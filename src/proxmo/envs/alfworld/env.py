"""ALFWorld as a Gymnasium environment."""

from __future__ import annotations

import copy
import string
from collections.abc import Sequence
from typing import Any

import gymnasium
from gymnasium.spaces import Text

from proxmo.envs.alfworld.engine.world import NOTHING, GameEpisode
from proxmo.envs.alfworld.games.game import Game
from proxmo.envs.base import Info
from proxmo.errors import InputError

_MAX_TEXT = 100_000


class AlfworldEnv(gymnasium.Env[str, str]):
    """Household tasks in text; behaves exactly like ALFWorld's own engine.

    `reset(options={"game": game})` starts a game. Without a game it starts one of
    `games`, drawn with the seed, or else the last one again. `step` takes a command
    such as "go to fridge 1"; one that is impossible has the answer "Nothing happens.".
    The reward is `success_reward` on success, else 0; the episode ends with success,
    or is truncated after `max_steps`.

    `info` has, besides what every environment gives (`proxmo.envs.base.Info`):
    `game_id`, and `goal` (the task's sentence).
    """

    metadata = {"render_modes": []}  # noqa: RUF012 (Gymnasium's name and form)

    def __init__(
        self,
        max_steps: int = 50,
        *,
        success_reward: float = 10.0,
        games: Sequence[Game] = (),
    ):
        if max_steps < 1:
            raise InputError(f"max_steps must be >= 1, got {max_steps}")
        self.max_steps = max_steps
        self.success_reward = float(success_reward)
        self.games = games
        self.observation_space = Text(_MAX_TEXT, min_length=0, charset=string.printable)
        self.action_space = Text(_MAX_TEXT, min_length=0, charset=string.printable)
        self._game: Game | None = None
        self._episode: GameEpisode | None = None
        self._steps = 0
        self._over = False

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[str, Info]:
        """Start `options["game"]`; the introduction with the task, and `info`."""
        super().reset(seed=seed)
        self._game = game = self._choose(options or {})
        world = game.world
        self._episode = GameEpisode(world)
        self._steps, self._over = 0, False
        return world.intro, self._info(True)

    def step(self, action: str) -> tuple[str, float, bool, bool, Info]:
        """Carry out a command; see the class. Raises `InputError` after the end."""
        episode = self._episode
        if episode is None or self._over:
            state = "has ended" if episode is not None else "has not begun"
            raise InputError(f"the episode {state}; call reset() before step()")
        if not isinstance(action, str):
            raise InputError(f"an action is a str, got {type(action).__name__}")
        answer = episode.act(action)
        self._steps += 1
        won = episode.won
        truncated = not won and self._steps >= self.max_steps
        self._over = won or truncated
        reward = self.success_reward if won else 0.0
        info = self._info(answer is not None)
        return NOTHING if answer is None else answer, reward, won, truncated, info

    def fork(self) -> AlfworldEnv:
        """A copy that goes on from here on its own; both share the game."""
        other = copy.copy(self)
        other._episode = None if self._episode is None else self._episode.fork()
        return other

    def __getstate__(self) -> dict[str, Any]:
        # The compiled game stays behind: a copy compiles its own and goes on from the state.
        episode = self._episode
        return self.__dict__ | {"_episode": None if episode is None else episode.state}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        if self._episode is not None:
            assert self._game is not None
            self._episode = GameEpisode.resume(self._game.world, state["_episode"])

    def _info(self, valid: bool) -> Info:
        assert self._episode is not None
        assert self._game is not None
        return {
            "admissible_actions": list(self._episode.commands),
            "success": self._episode.won,
            "valid": valid,
            "task_type": self._game.task_type,
            "game_id": self._game.game_id,
            "goal": self._episode.world.goal,
        }

    def _choose(self, options: dict[str, Any]) -> Game:
        game = options.get("game")
        if game is None and self.games:
            game = self.games[int(self.np_random.integers(len(self.games)))]
        if game is None:
            game = self._game
        if not isinstance(game, Game):
            got = "none" if game is None else type(game).__name__
            raise InputError(
                f'reset needs a game (got {got}): reset(options={{"game": load_games(path)[0]}})'
            )
        return game
