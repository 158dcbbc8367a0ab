"""ALFWorld: household tasks in text, with a native engine.

games = load_games("~/.cache/alfworld", split="train")
env = AlfworldEnv(max_steps=50)
observation, info = env.reset(options={"game": games[0]})
observation, reward, terminated, truncated, info = env.step("go to fridge 1")
"""

from proxmo.envs.alfworld.env import AlfworldEnv
from proxmo.envs.alfworld.games.game import TASK_TYPES, Game
from proxmo.envs.alfworld.games.load import Games, load_games
from proxmo.envs.alfworld.games.replay import Replay, replay

__all__ = ["TASK_TYPES", "AlfworldEnv", "Game", "Games", "Replay", "load_games", "replay"]
