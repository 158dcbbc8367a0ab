"""What each of two processes does in test_trl.py: train by every loss, and tell what it saw."""

import json
import os
import sys
from functools import partial
from pathlib import Path

import pytest
import tiny_trl
from accelerate import PartialState
from trl.trainer.grpo_trainer import GRPOTrainer


class Together(tiny_trl.Watched):
    """Generates in lockstep, as with vLLM, DeepSpeed and FSDP, and counts the calls."""

    calls = 0
    of_trl: list = []  # noqa: RUF012 (replaced, not added to)

    def __init__(self, *args, **options):
        self.asked, self.widths = [], []
        super().__init__(*args, **options)

    def _turn(self, prompts, limit):
        self.asked.append(len(prompts))
        return super()._turn(prompts, limit)

    @property
    def _lockstep(self):
        return True

    def _generate_single_turn(self, prompt_ids, *args, **kwargs):
        self.calls += 1
        self.widths.append(len(prompt_ids))
        return super()._generate_single_turn(prompt_ids, *args, **kwargs)

    def _generate_and_score_completions(self, inputs):
        with pytest.MonkeyPatch.context() as patch:
            scored = GRPOTrainer._generate_and_score_completions

            def keep(trainer, rows):
                output = scored(trainer, rows)
                self.of_trl = output["advantages"].tolist()
                return output

            patch.setattr(GRPOTrainer, "_generate_and_score_completions", keep)
            return super()._generate_and_score_completions(inputs)


def train(folder: Path, credit: str, **options) -> dict:
    """Train for two updates; returns what there is to compare, in plain lists and numbers."""
    # A group of four is two rows here and two rows there, where episodes are shorter.
    turns = tiny_trl.TURNS - 2 * int(os.environ["RANK"])
    arguments = {**tiny_trl.PLAYED, "environment": partial(tiny_trl.Paying, max_steps=turns)}
    options = {"per_device_train_batch_size": 2, **options}
    trainer = tiny_trl.trainer(folder, Together, credit=credit, options=options, **arguments)
    before = weight(trainer)
    trainer.train()
    batches = [
        {
            "steps": [
                [(s.observation, s.reward, s.valid) for s in played.steps] for played in episodes
            ],
            "tasks": [played.task for played in episodes],
            "success": [played.success for played in episodes],
            "turns": [row.turns for row in rows],
            "mask": [row.mask for row in rows],
            "advantages": output["advantages"].tolist(),
            "in_the_loss": inputs["advantages"].tolist(),
        }
        for (episodes, rows, output, _), (_, inputs) in zip(
            trainer.batches, trainer.seen, strict=True
        )
    ]
    return {
        "batches": batches,
        "calls": trainer.calls,
        "widths": trainer.widths,
        "asked": trainer.asked,
        "of_trl": trainer.of_trl,
        "logged": list(trainer._logs["advantages"]),
        "before": before,
        "weight": weight(trainer),
    }


def weight(trainer) -> float:
    return sum(float(p.detach().double().abs().sum()) for p in trainer.model.parameters())


def main(folder: Path) -> None:
    seen = {loss: train(folder / loss, "proxmo", loss_type=loss) for loss in tiny_trl.LOSSES}
    seen["credit=grpo"] = train(folder / "trl", "grpo", scale_rewards="batch")
    (folder / f"{os.environ['RANK']}.json").write_text(json.dumps(seen))
    # Gloo's threads may abort a process that leaves while the other still writes to it.
    state = PartialState()
    state.wait_for_everyone()
    state.destroy_process_group()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
