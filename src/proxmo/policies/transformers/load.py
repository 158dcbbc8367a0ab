"""A model's name to a policy that is ready to act."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from huggingface_hub.utils import logging as hub_logging
from transformers.utils import logging, quantization_config

from proxmo.config import RUN_FILE, PolicyConfig
from proxmo.errors import InputError
from proxmo.policies.transformers.policy import TransformersPolicy
from proxmo.policies.transformers.settings import prompt_settings, within_positions
from proxmo.prompts import Codec


def load_policy(
    config: PolicyConfig,
    *,
    trainable: bool = False,
    prompt_tokens: int = 2048,
    codec: Codec | None = None,
) -> TransformersPolicy:
    """Load a model folder, a Hugging Face id or a GGUF file, ready to act.

    With `trainable`, weights that are to be trained are in float32, whatever the precision of
    computation; frozen ones, those under LoRA adapters, are in that precision. So are those of
    a model that only acts, unless they are stored in float32, as proxmo's are: it then acts as
    it did when it was trained.

    A model that proxmo trained remembers how it was prompted; settings given explicitly win.
    `prompt_tokens` is the longest prompt where neither says, `codec` the environment's
    (`EnvSpec.make_codec`), without which the style `numbered` is refused. Raises `InputError`
    when the model cannot be loaded.
    """
    from transformers import AutoModelForCausalLM, AutoTokenizer

    logging.set_verbosity_error()
    hub_logging.set_verbosity_error()  # its retries; what came of them is in the error
    logging.disable_progress_bar()
    source, gguf_file = config.model, config.gguf_file
    path = Path(source)
    if path.suffix == ".gguf":
        if not path.is_file():
            raise InputError(f"model file {source} does not exist; give a path to a .gguf file")
        source, gguf_file = str(path.parent), path.name
    elif (path / "model" / "config.json").is_file():
        source = str(path / "model")  # a run folder: its final model
    elif (path / RUN_FILE).is_file():
        raise InputError(
            f"the run in {source} is not finished and has no model yet; go on with: proxmo train "
            f"--resume {source}"
        )
    options: dict[str, Any] = {} if gguf_file is None else {"gguf_file": gguf_file}
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    compute = _dtype(config, device)
    weights: Any = compute
    if not config.lora_rank:
        weights = torch.float32 if trainable else compute if gguf_file else "auto"
    try:
        tokenizer = AutoTokenizer.from_pretrained(source, **options)
        loaded: Any = AutoModelForCausalLM.from_pretrained(
            source, dtype=weights, output_loading_info=True, **options, **_unpacked(gguf_file)
        )
    except Exception as error:  # whatever loading raises, the user gave the name
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise InputError(
            f"model {config.model!r} cannot be loaded ({reason}); give 'builtin', a folder in "
            "Hugging Face format, a model id of the hub that this machine can reach, or a .gguf "
            "file"
        ) from error
    model, report = loaded
    _require_whole(config.model, model, report["missing_keys"])
    _require_known(config.template, tokenizer)
    if config.lora_rank:
        model = _with_lora(model, config)
    if config.gradient_checkpointing:
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    if model.dtype not in (torch.float32, compute):
        model.to(compute)
    model.to(device).eval()
    settings = prompt_settings(config, Path(source), prompt_tokens)
    settings = within_positions(config.model, model.config, settings, config.max_prompt_tokens)
    trained = trainable or model.dtype == torch.float32
    mixed = compute if trained and compute != torch.float32 else None
    return TransformersPolicy(model, tokenizer, settings, mixed, codec)


def _require_whole(name: str, model: Any, missing: Iterable[str]) -> None:
    """Refuse a model with weights that nobody trained, or that are no numbers."""
    # Weights that are tied to others are not in the report: they are stored once.
    if lacking := sorted(missing):
        raise InputError(
            f"model {name!r} lacks {len(lacking)} of its weights ({_listed(lacking)}), which would "
            "be random numbers; download or save it again"
        )
    broken = [key for key, weight in model.named_parameters() if not weight.isfinite().all()]
    if broken:
        raise InputError(
            f"model {name!r} has weights that are not finite numbers ({_listed(broken)}); "
            "download it again, or go back to an earlier checkpoint"
        )


def _require_known(template: Mapping[str, object], tokenizer: Any) -> None:
    """Refuse variables that the chat template would not so much as look at."""
    text = tokenizer.get_chat_template() if tokenizer.chat_template else ""
    for name in template:
        if not re.search(rf"\b{re.escape(name)}\b", text):
            raise InputError(
                f"policy.template sets {name!r}, which the chat template of "
                f"{tokenizer.name_or_path!r} does not know; drop it"
            )


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")


def _unpacked(gguf_file: str | None) -> dict[str, Any]:
    """What makes a GGUF file's weights plain ones, which can be trained and saved."""
    # Earlier versions of Transformers have no such setting and always unpack.
    config = getattr(quantization_config, "GgufConfig", None)
    if gguf_file is None or config is None:
        return {}
    return {"quantization_config": config(dequantize=True)}


def _with_lora(model: Any, config: PolicyConfig) -> Any:
    from peft import LoraConfig, get_peft_model

    lora = LoraConfig(
        r=config.lora_rank,
        lora_alpha=config.lora_alpha,  # type: ignore[arg-type]  # fractions are fine
        target_modules="all-linear",
        task_type="CAUSAL_LM",
    )
    return get_peft_model(model, lora)


def fast_dtype(device: torch.device) -> torch.dtype:
    """bfloat16 on a GPU and on a CPU that has instructions for it, float32 elsewhere.

    With AVX-512's (or AMX), matrix products take a quarter of the time or less.
    """
    cpu = torch.cpu
    native = cpu._is_avx512_bf16_supported() or cpu._is_amx_tile_supported()
    return torch.bfloat16 if device.type == "cuda" or native else torch.float32


def _dtype(config: PolicyConfig, device: torch.device) -> torch.dtype:
    if config.dtype == "auto":
        return fast_dtype(device)
    return torch.float32 if config.dtype == "float32" else torch.bfloat16
