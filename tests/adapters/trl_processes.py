"""What each of two processes does in test_trl.py: train, and write down what it saw."""

import json
import os
import sys
from functools import partial
from pathlib import Path

import tiny_trl


class Together(tiny_trl.Watched):
    """Generates in lockstep, as with vLLM, DeepSpeed and FSDP, and counts the calls."""

    calls = 0

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


def main(folder: Path) -> None:
    # A group of four is two rows here and two rows there, where episodes are shorter.
    turns = tiny_trl.TURNS - 2 * int(os.environ["RANK"])
    arguments = {**tiny_trl.PLAYED, "environment": partial(tiny_trl.Paying, max_steps=turns)}
    options = {"per_device_train_batch_size": 2}
    trainer = tiny_trl.trainer(folder / "out", Together, options=options, **arguments)
    trainer.train()
    rank = trainer.accelerator.process_index
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
        }
        for episodes, rows, output, _ in trainer.batches
    ]
    seen = {"batches": batches, "calls": trainer.calls}
    seen |= {"widths": trainer.widths, "asked": trainer.asked}
    seen["logged"] = list(trainer._logs["advantages"])
    seen["weight"] = sum(float(p.detach().double().sum()) for p in trainer.model.parameters())
    (folder / f"{rank}.json").write_text(json.dumps(seen))
    # Gloo's threads may abort a process that leaves while the other still writes to it.
    trainer.accelerator.wait_for_everyone()
    trainer.accelerator.end_training()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
