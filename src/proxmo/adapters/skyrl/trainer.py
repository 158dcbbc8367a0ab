"""A SkyRL trainer that credits every turn, its generator, and the experiment of both."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from proxmo.adapters.columns import COLUMN, row_column, warn_of_groups_of_one
from proxmo.adapters.failures import credit_played, report_failures
from proxmo.adapters.methods import estimator_of
from proxmo.adapters.skyrl.columns import Turns, chosen_rows, collect_turns
from proxmo.adapters.skyrl.environment import EPISODE, MEMBER, OPENED, register_environment
from proxmo.credit import Credit, Estimator
from proxmo.errors import InputError
from proxmo.policies.chat import ChatFormat

# After ours, which look whether this is a SkyRL that was tested.
from skyrl.train.entrypoints.main_base import (  # isort: skip
    BasePPOExp,
    resolve_policy_model_name,
)
from skyrl.train.generators.base import TRAINING_PHASE_EVAL  # isort: skip
from skyrl.train.generators.skyrl_gym_generator import SkyRLGymGenerator  # isort: skip
from skyrl.train.trainer import RayPPOTrainer  # isort: skip


class ProxMOGenerator(SkyRLGymGenerator):
    """SkyRL's generator; every row also tells the turn that it is."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """As SkyRL's."""
        super().__init__(*args, **kwargs)
        options = self.generator_cfg.chat_template_kwargs
        self._opened = ChatFormat(self.tokenizer, **options).opened

    async def generate(self, input_batch: Any, disable_tqdm: bool = False) -> Any:
        """As SkyRL's; an evaluation is not told of the episodes whose environment failed."""
        output = await super().generate(input_batch, disable_tqdm)
        about = input_batch.get("batch_metadata")
        if about is None or about.training_phase != TRAINING_PHASE_EVAL:
            return output
        return _without_failures(output)

    def _setup_env_extras(
        self, _env_class: str, env_extras: Any, _sampling_params: Any, _trajectory_id: Any
    ) -> Any:
        member = 0 if _trajectory_id is None else _trajectory_id.repetition_id
        # A copy: SkyRL writes what stands among the extras to its logs.
        return {**env_extras, OPENED: self._opened, MEMBER: member}

    def _post_process_agent_loop_output(
        self, agent_loop_output: Any, _env_extras: dict[str, Any], _trajectory_id: Any
    ) -> Any:
        episode = _env_extras.get(EPISODE)
        if episode is None:
            return agent_loop_output
        if not agent_loop_output.step_outputs and episode.error is None:
            raise InputError(
                "the first prompt of an episode is longer than generator.max_input_length, so "
                "that the episode has no turn; raise it, to 16384 for example"
            )
        for row, step in zip(agent_loop_output.step_outputs, episode.steps, strict=True):
            column = row_column(step, episode.success, episode.error)
            row.env_metrics = row.env_metrics | {COLUMN: column}
            if episode.error is not None:  # what its environment did is not the policy's
                row.loss_mask = [0] * len(row.loss_mask)
        return agent_loop_output


class ProxMOSkyRLTrainer(RayPPOTrainer):
    """SkyRL's trainer with credit for every turn, not only for the last."""

    def __init__(self, cfg: Any, *args: Any, credit: str | Estimator | None = None, **kwargs: Any):
        """`credit` is an estimator or a name of `proxmo.CREDIT`, ProxMO where none is given."""
        check_config(cfg)
        self.credit = estimator_of(credit)
        self._turns: Turns | None = None
        super().__init__(cfg, *args, **kwargs)

    def postprocess_generator_output(
        self, generator_output: Any, uids: list[str], *args: Any, **kwargs: Any
    ) -> tuple[Any, list[str]]:
        """Keep the turns, which are not part of what SkyRL passes on.

        SkyRL's own metrics of rewards are of the episodes whose environment did not fail.
        """
        self._turns = collect_turns(
            uids, generator_output["is_last_step"], generator_output["env_metrics"]
        )
        whole = [row for row, error in enumerate(self._turns.errors) if error is None]
        if 0 < len(whole) < len(self._turns) and not args and not kwargs:
            kwargs = {
                "metrics_generator_output": chosen_rows(generator_output, whole),
                "metrics_uids": [uids[row] for row in whole],
            }
        return super().postprocess_generator_output(generator_output, uids, *args, **kwargs)

    def compute_advantages_and_returns(self, data: Any) -> Any:
        """Put each turn's advantage on each token of its row; padding, at the end, gets 0."""
        turns = self._turns
        assert turns is not None, "postprocess_generator_output runs before"
        data = super().compute_advantages_and_returns(data)
        result: Credit = credit_played(self.credit, turns.columns, turns.errors)
        rows = np.zeros(len(data["advantages"]))
        rows[: len(turns)] = result.advantage
        mask = data["response_mask"]
        advantages = torch.from_numpy(rows).to(data["advantages"])[:, None] * mask
        data["advantages"] = data["returns"] = advantages
        # SkyRL has logged the mean of advantages that are not trained on.
        whole = [row for row, error in enumerate(turns.errors) if error is None]
        real = advantages[whole][mask[whole].bool()]
        figures = {
            "avg_advantages": real.mean().item(),
            "avg_advantages_abs": real.abs().mean().item(),
        }
        data.metadata["metrics"].update(figures)
        self.all_metrics.update(
            {
                "loss/avg_raw_advantages": figures["avg_advantages"],
                "loss/avg_raw_advantages_abs": figures["avg_advantages_abs"],
            }
            | result.diagnostics
        )
        return data


class ProxMOExp(BasePPOExp):
    """SkyRL's experiment with this trainer and generator."""

    def __init__(self, cfg: Any, credit: str | Estimator | None = None) -> None:
        """`credit` is an estimator or a name of `proxmo.CREDIT`, ProxMO where none is given."""
        check_config(cfg)
        register_environment()
        self.credit = credit
        super().__init__(cfg)

    def get_generator(self, cfg: Any, tokenizer: Any, inference_engine_client: Any) -> Any:
        """A generator whose rows tell their turns."""
        return ProxMOGenerator(
            generator_cfg=cfg.generator,
            skyrl_gym_cfg=cfg.environment.skyrl_gym,
            inference_engine_client=inference_engine_client,
            tokenizer=tokenizer,
            policy_model_name=resolve_policy_model_name(cfg),
        )

    def get_trainer(self, *args: Any, **kwargs: Any) -> ProxMOSkyRLTrainer:
        """The trainer that credits every turn."""
        return ProxMOSkyRLTrainer(*args, credit=self.credit, **kwargs)


def _without_failures(output: Any) -> Any:
    """What SkyRL's generator made, without the rows of episodes that failed."""
    names = [one.to_string() for one in output["trajectory_ids"]]
    turns = collect_turns(names, output["is_last_step"], output["env_metrics"])
    failed = {name: e for name, e in zip(names, turns.errors, strict=True) if e is not None}
    report_failures(failed, len(set(names)))
    return chosen_rows(output, [row for row, error in enumerate(turns.errors) if error is None])


def check_config(cfg: Any) -> None:
    """Refuse what credit by turns cannot work with, naming the setting and the way out."""
    sampling = cfg.trainer.algorithm.dynamic_sampling.type
    if sampling is not None:
        raise InputError(
            f"trainer.algorithm.dynamic_sampling.type is {sampling!r}, which takes the turns of a "
            "trajectory for trajectories; credit by turns needs it to be null"
        )
    wanted = [
        ("generator.step_wise_trajectories", cfg.generator.step_wise_trajectories, True),
        ("generator.merge_stepwise_output", cfg.generator.merge_stepwise_output, False),
        ("trainer.algorithm.use_kl_in_reward", cfg.trainer.algorithm.use_kl_in_reward, False),
    ]
    for name, value, needed in wanted:
        if bool(value) is not needed:
            raise InputError(
                f"{name} is {value}; credit by turns needs {name}={str(needed).lower()}"
            )
    warn_of_groups_of_one("generator.n_samples_per_prompt", cfg.generator.n_samples_per_prompt)
