"""The trainer mode `proxmo_sync` and the estimator `proxmo`, which work together.

The trainer collects what credit needs and credits the batch; the estimator hands verl the
result, where verl asks for it. All else, rollout correction included, stays verl's.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import torch
import transfer_queue as tq
from verl.trainer.ppo.core_algos import register_adv_est
from verl.trainer.ppo.v1.trainer_base import register_trainer
from verl.trainer.ppo.v1.trainer_sync import PPOTrainerSync

from proxmo.adapters.columns import warn_of_groups_of_one
from proxmo.adapters.verl.columns import credit_rows
from proxmo.adapters.verl.settings import read_settings
from proxmo.errors import InputError

if TYPE_CHECKING:
    from transfer_queue import KVBatchMeta

_ROW_ADVANTAGES: ContextVar[torch.Tensor] = ContextVar("row_advantages")  # (N,)


@register_adv_est("proxmo")
def proxmo_advantages(
    token_level_rewards: torch.Tensor, response_mask: torch.Tensor, **_: Any
) -> tuple[torch.Tensor, torch.Tensor]:
    """(advantages, returns), each (N, T): a row's advantage on each token of its response.

    verl hands an estimator the rewards and the group, but neither the trajectory nor the
    text; the trainer mode `proxmo_sync` has worked out the rows' advantages before.

    Raises:
        InputError: under any other trainer mode.
    """
    rows = _ROW_ADVANTAGES.get(None)
    if rows is None:
        raise InputError(
            "algorithm.adv_estimator=proxmo needs the trainer mode that collects the turns; "
            "add trainer.v1.trainer_mode=proxmo_sync"
        )
    advantages = rows.to(token_level_rewards)[:, None] * response_mask
    return advantages, advantages


@register_trainer("proxmo_sync")
class ProxMOTrainerSync(PPOTrainerSync):
    """verl's synchronous trainer with credit by turns, for rows of the agent loop `proxmo`."""

    def __init__(self, config: Any) -> None:
        """Check what proxmo reads of the configuration, before any GPU is taken."""
        self.proxmo = read_settings(config)
        if config.algorithm.adv_estimator != "proxmo":
            raise InputError(
                f"algorithm.adv_estimator is {config.algorithm.adv_estimator!r}; the trainer mode "
                "proxmo_sync needs algorithm.adv_estimator=proxmo (the method is chosen with "
                "+proxmo.method)"
            )
        if config.algorithm.use_kl_in_reward:
            raise InputError(
                "algorithm.use_kl_in_reward=True would change the rewards of tokens, which credit "
                "by turns does not see; use actor_rollout_ref.actor.use_kl_loss=True"
            )
        warn_of_groups_of_one("actor_rollout_ref.rollout.n", config.actor_rollout_ref.rollout.n)
        super().__init__(config)

    def _build_replay_buffer(self) -> Any:
        # verl takes every other name for an asynchronous trainer.
        self.trainer_mode = "sync"
        return super()._build_replay_buffer()

    def _compute_advantage(self, batch: KVBatchMeta, metrics: dict[str, Any]) -> KVBatchMeta:
        """Credit the batch, then let verl compute and store what it always does."""
        assert batch.partition_id is not None
        columns = tq.kv_batch_get(
            keys=batch.keys, partition_id=batch.partition_id, select_fields=["extra_fields"]
        )
        credited = credit_rows(
            self.proxmo.estimator, batch.keys, batch.tags, columns.pop("extra_fields").tolist()
        )
        metrics.update(credited.credit.diagnostics)
        token = _ROW_ADVANTAGES.set(torch.from_numpy(credited.advantages))
        try:
            return super()._compute_advantage(batch, metrics)
        finally:
            _ROW_ADVANTAGES.reset(token)
