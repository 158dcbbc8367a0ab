"""TRL's trainer on ALFWorld with credit by ProxMO: a tiny model, two updates, in seconds.

    uv run python examples/trl_alfworld.py

For a real run give the name of a model of the hub, `prompt_style="think"`, the settings of
your hardware in `GRPOConfig`, and leave out `tasks` (generated or official games) and `reader`.
"""

from __future__ import annotations

import tempfile

from transformers import LlamaConfig, LlamaForCausalLM
from trl.trainer.grpo_config import GRPOConfig

from proxmo.adapters.trl import ProxMOTrainer
from proxmo.cold_start.tokenizer import train_tokenizer
from proxmo.envs.alfworld.env import AlfworldEnv
from proxmo.envs.alfworld.tasks import load_tasks


def main() -> None:
    tasks = load_tasks("train", seed=0, count=8)
    texts = [AlfworldEnv().reset(options=tasks[i].options)[0] for i in range(len(tasks))]
    reader = train_tokenizer(texts, vocabulary=400)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(reader),
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=2,
            num_attention_heads=2,
            eos_token_id=reader.eos_token_id,  # type: ignore[arg-type]
        )
    )
    with tempfile.TemporaryDirectory() as folder:
        trainer = ProxMOTrainer(
            model,
            args=GRPOConfig(
                folder,
                use_cpu=True,
                per_device_train_batch_size=8,
                num_generations=4,
                max_completion_length=500,
                max_steps=2,
                logging_steps=1,
                save_strategy="no",
                report_to="none",
                disable_tqdm=True,
            ),
            processing_class=reader,
            credit="proxmo",
            environment="alfworld",
            tasks=tasks,
            max_turns=3,
            prompt_style="compact",
            max_response_tokens=5,
        )
        trainer.train()
    for line in trainer.state.log_history[:2]:
        turns, alike = line["rollout/steps"], line["credit/effective_neighbours"]
        print(
            f"update {line['step']}: loss {line['loss']:.3f}, {turns:.0f} turns an episode, "
            f"each compared with {alike:.1f} others"
        )


if __name__ == "__main__":
    main()
