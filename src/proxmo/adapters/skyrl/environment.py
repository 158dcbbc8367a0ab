"""Any environment of proxmo's registry as an environment of `skyrl_gym`, called `proxmo`."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from proxmo.adapters.tasks import make_env, make_prompter, task_at
from proxmo.adapters.versions import check_version
from proxmo.episodes.episode import LiveEpisode
from proxmo.episodes.play import task_seed
from proxmo.policies.base import Response

check_version("skyrl")

import skyrl_gym  # noqa: E402  # after the check
from skyrl_gym.envs.base_text_env import (  # noqa: E402
    BaseTextEnv,
    BaseTextEnvStepOutput,
    ConversationType,
)
from skyrl_gym.envs.registration import registry  # noqa: E402

NAME = "proxmo"
"""Of the environment, for `environment.env_class` and the data's column `env_class`."""

EPISODE = "proxmo_episode"
"""Where the environment leaves its record for the generator, among its extras."""

OPENED = "proxmo_opened"
"""Where the generator says, among the extras, what the chat template opens each response with."""

MEMBER = "proxmo_member"
"""Where the generator says, among the extras, which of its group an episode is."""


class ProxMOTextEnv(BaseTextEnv):
    """Plays the task that a row of the data names, as a growing conversation.

    An environment that raises ends its own episode and no other; nothing of it is trained on.
    """

    def __init__(self, env_config: Any = None, extras: dict[str, Any] | None = None) -> None:
        """`extras` are the row's columns; `proxmo.adapters.skyrl.data` writes them."""
        super().__init__()
        del env_config
        columns: dict[str, Any] = extras or {}
        settings: Mapping[str, Any] = columns["proxmo"]
        task = task_at(settings)
        self._prompter = make_prompter(
            settings["env"], settings["style"], opened=columns.get(OPENED, "")
        )
        self._episode = LiveEpisode(
            task,
            member=columns.get(MEMBER, 0),
            # The members of a group pass the same seed, hence start alike.
            seed=task_seed(settings["episode_seed"], task.id),
            make_env=partial(make_env, settings["env"], settings["max_steps"] or None, {}),
            noise=settings.get("noise", 0.0),
        )
        columns[EPISODE] = self._episode

    def init(self, prompt: ConversationType) -> tuple[ConversationType, dict[str, Any]]:
        """Start the episode; the row's own prompt is a name for logs."""
        del prompt
        episode = self._episode
        episode.start()
        text = ""
        if not episode.ended:
            with episode.guarded():  # an environment's codec takes part in it
                text = self._prompter.opening(episode.goal, episode.observation, episode.actions)
        return [{"role": "user", "content": text}], {}

    def step(self, action: str) -> BaseTextEnvStepOutput:
        """Send a response to the environment."""
        self.turns += 1
        self._act(action)
        return BaseTextEnvStepOutput(
            observations=self._heard(),
            reward=self._episode.steps[-1].reward,
            done=self._episode.ended,
            metadata={},
            postprocessed_action=None,
        )

    def _act(self, said: str) -> None:
        """A turn on record, whatever breaks in it."""
        episode, turns = self._episode, len(self._episode.steps)
        if not episode.ended:  # else SkyRL has asked for a response all the same
            with episode.guarded():
                action, well_formed = self._prompter.parse(said, episode.observation)
                episode.act("", Response(said), action, well_formed)
        if len(episode.steps) == turns:
            episode.record_turn(episode.observation, "", Response(said), action="")

    def _heard(self) -> ConversationType:
        """What the environment says next; nothing where the episode has ended."""
        episode, text = self._episode, ""
        if not episode.ended:
            with episode.guarded():
                text = self._prompter.following(episode.observation, episode.actions)
        return [] if episode.ended else [{"role": "user", "content": text}]

    def get_metrics(self) -> dict[str, Any]:
        """Success and length of an episode that has ended, unless its environment failed.

        SkyRL takes the mean of each figure over the episodes that have it.
        """
        episode = self._episode
        if episode.error is not None:
            return {"failed": 1.0}
        return {"failed": 0.0, "success": float(episode.success), "turns": len(episode.steps)}

    def close(self) -> None:
        """Free what the environment holds."""
        self._episode.close()


def register_environment() -> None:
    """Make the environment known to `skyrl_gym`, once per process."""
    if NAME not in registry:
        skyrl_gym.register(id=NAME, entry_point=f"{__name__}:{ProxMOTextEnv.__name__}")
