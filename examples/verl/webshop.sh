#!/usr/bin/env bash
# WebShop with ProxMO on verl, with the paper's settings (arXiv:2602.19225).
#
#   examples/verl/webshop.sh                                   # Qwen2.5 1.5B, 2 GPUs
#   MODEL=Qwen/Qwen2.5-7B-Instruct GPUS=4 examples/verl/webshop.sh
#
# Needs: pip install 'proxmo[verl]' 'verl[vllm,fsdp]'. Further arguments go to verl:
# trainer.total_training_steps=10
set -euo pipefail
MODEL=${MODEL:-Qwen/Qwen2.5-1.5B-Instruct}
GPUS=${GPUS:-2}
DATA=${DATA:-data/verl/webshop}
PYTHON=${PYTHON:-python}

$PYTHON -m proxmo.adapters.verl.data --env webshop --split train --out "$DATA/train.parquet"
$PYTHON -m proxmo.adapters.verl.data --env webshop --split valid --out "$DATA/valid.parquet"

# A group is 8 episodes of one task; 16 tasks make an update. A row is a turn, and verl counts
# rows: ppo_mini_batch_size 16 means mini-batches of 16 x 8 turns.
$PYTHON -m verl.trainer.main_ppo \
    trainer.v1.trainer_mode=proxmo_sync \
    algorithm.adv_estimator=proxmo \
    +proxmo.method=proxmo \
    +proxmo.credit.gamma=0.95 \
    +proxmo.credit.alpha=4 \
    +proxmo.credit.modulation=0.05 \
    +proxmo.credit.temperature=0.1 \
    +proxmo.style=think \
    +proxmo.history=2 \
    +proxmo.max_steps=15 \
    data.train_files="$DATA/train.parquet" \
    data.val_files="$DATA/valid.parquet" \
    data.train_batch_size=16 \
    data.max_prompt_length=4096 \
    data.max_response_length=512 \
    actor_rollout_ref.model.path="$MODEL" \
    actor_rollout_ref.model.enable_gradient_checkpointing=True \
    actor_rollout_ref.actor.optim.lr=1e-6 \
    actor_rollout_ref.actor.ppo_mini_batch_size=16 \
    actor_rollout_ref.actor.use_dynamic_bsz=True \
    actor_rollout_ref.actor.ppo_max_token_len_per_gpu=16384 \
    actor_rollout_ref.actor.use_kl_loss=True \
    actor_rollout_ref.actor.kl_loss_coef=0.01 \
    actor_rollout_ref.actor.kl_loss_type=low_var_kl \
    actor_rollout_ref.rollout.name=vllm \
    actor_rollout_ref.rollout.n=8 \
    actor_rollout_ref.rollout.temperature=1.0 \
    actor_rollout_ref.rollout.tensor_model_parallel_size="$GPUS" \
    actor_rollout_ref.rollout.gpu_memory_utilization=0.6 \
    actor_rollout_ref.rollout.agent.num_workers=8 \
    trainer.n_gpus_per_node="$GPUS" \
    trainer.total_training_steps=150 \
    trainer.test_freq=10 \
    trainer.save_freq=50 \
    trainer.project_name=proxmo \
    trainer.experiment_name=webshop \
    "trainer.logger=[console]" \
    "$@"
