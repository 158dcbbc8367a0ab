"""Any Hugging Face causal language model as a policy."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from transformers.modeling_layers import GradientCheckpointingLayer
from transformers.utils import logging, quantization_config

from proxmo.config import RUN_FILE, PolicyConfig
from proxmo.errors import InputError
from proxmo.policies.attention import CPU_ATTENTION
from proxmo.policies.base import Dialogue, Response
from proxmo.policies.cache import SlotCache
from proxmo.policies.chat import ChatFormat
from proxmo.policies.sampling import decode
from proxmo.prompts import Prompter, PromptStyle
from proxmo.types import Context

SETTINGS_FILE = "proxmo.json"
"""Beside a model's weights: how it was trained to be prompted."""

GENERATION_TOKENS = 131_072
"""Most padded tokens of a batch of window prompts: bounds the memory of generation."""


@dataclass(frozen=True, slots=True)
class PromptSettings:
    """How a policy reads and how much it may say."""

    context: Context = "window"
    style: PromptStyle = "think"
    history: int = 2
    max_prompt_tokens: int = 2048
    """Longest window prompt, whose start is cut; longest conversation, which then ends."""
    max_response_tokens: int = 512


class TransformersPolicy:
    """A causal language model with its tokenizer and its way of being prompted."""

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        settings: PromptSettings,
        compute: torch.dtype | None = None,
    ) -> None:
        self.model = model
        self.tokenizer = tokenizer
        self.settings = settings
        self.context: Context = settings.context
        self.prompter = Prompter(settings.style, settings.history)
        self.chat = ChatFormat(tokenizer, _generation_ends(model))
        self._reference: nn.Module | None = None
        self._compute = compute
        if self.context == "conversation":
            _require_full_attention(model.config, settings.max_prompt_tokens)
        if self.device.type == "cpu" and model.config._attn_implementation == "sdpa":
            model.set_attn_implementation(CPU_ATTENTION)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.model.parameters()).device

    @property
    def is_lora(self) -> bool:
        """Whether only low-rank adapters are trained."""
        return hasattr(self.model, "disable_adapter")

    def precision(self) -> AbstractContextManager[object]:
        """Inside this `with`, the model computes in its precision, whatever its weights have."""
        if self._compute is None:
            return nullcontext()
        return torch.autocast(self.device.type, dtype=self._compute)

    @contextmanager
    def learning(self) -> Iterator[None]:
        """Inside this `with`, the model may be differentiated: in its precision, and checkpointed
        if so set.

        Dropout stays off, so that the policy that learns is the policy that acted.
        """
        # Layers recompute in the backward pass only when they believe they are in training.
        layers = [m for m in self.model.modules() if isinstance(m, GradientCheckpointingLayer)]
        try:
            for layer in layers:
                layer.training = True
            with self.precision():
                yield
        finally:
            for layer in layers:
                layer.training = False

    def keep_reference(self) -> None:
        """Freeze a copy of the weights as they are now, for the KL penalty.

        Under LoRA nothing is copied: the model without its adapters is the reference.
        """
        if not self.is_lora:
            self._reference = copy.deepcopy(self.model).eval().requires_grad_(False)

    def reference(self) -> AbstractContextManager[nn.Module]:
        """The frozen starting model, inside a `with`."""
        if self.is_lora:
            return self._without_adapter()
        assert self._reference is not None, "keep_reference() was not called"
        return nullcontext(self._reference)

    @contextmanager
    def _without_adapter(self) -> Iterator[nn.Module]:
        with self.model.disable_adapter():
            yield self.model

    def open(
        self, rngs: Sequence[np.random.Generator], *, temperature: float, greedy: bool
    ) -> Dialogue:
        """Begin `len(rngs)` episodes; each samples from its own generator only."""
        kind = _Conversations if self.context == "conversation" else _Windows
        return kind(self, rngs, temperature=temperature, greedy=greedy)

    def save(self, folder: Path) -> None:
        """Write the whole model, tokenizer and prompt settings in Hugging Face format.

        LoRA adapters are merged into a copy in float32, as lower precision would round away much
        of what they learnt; the policy itself keeps them apart.
        """
        logging.disable_progress_bar()
        model = self.model
        if self.is_lora:
            model = copy.deepcopy(model).to("cpu", torch.float32).merge_and_unload()
        model.save_pretrained(folder)
        self.tokenizer.save_pretrained(folder)
        text = json.dumps(asdict(self.settings), indent=2)
        (folder / SETTINGS_FILE).write_text(text + "\n", encoding="utf-8")

    def _text(self, ids: Sequence[int]) -> str:
        return self.tokenizer.decode(
            [token for token in ids if token not in self.chat.end_ids], skip_special_tokens=False
        )

    def _response(self, prompt_ids: Sequence[int], said: tuple[list[int], list[float]]) -> Response:
        ids, logprobs = said
        return Response(
            text=self._text(ids),
            prompt_ids=tuple(prompt_ids),
            response_ids=tuple(ids),
            logprobs=tuple(logprobs),
            stop="end" if ids[-1] in self.chat.end_ids else "length",
        )


class _Episodes:
    """Episodes that one policy plays side by side."""

    def __init__(
        self,
        policy: TransformersPolicy,
        rngs: Sequence[np.random.Generator],
        *,
        temperature: float,
        greedy: bool,
    ) -> None:
        self._policy = policy
        self._rngs = rngs
        self._temperature = temperature
        self._greedy = greedy


class _Windows(_Episodes):
    """Every turn is a fresh prompt; nothing is remembered between turns."""

    def respond(self, rows: Sequence[int], prompts: Sequence[str]) -> list[Response]:
        limit = self._policy.settings.max_prompt_tokens
        encoded = [self._policy.chat.opening(prompt)[-limit:] for prompt in prompts]
        responses: dict[int, Response] = {}
        for batch in self._batches([len(ids) for ids in encoded]):
            rngs = [self._rngs[rows[i]] for i in batch]
            with self._policy.precision():
                answers = self._generate([encoded[i] for i in batch], rngs)
            responses.update(zip(batch, answers, strict=True))
        return [responses[i] for i in range(len(rows))]

    def _batches(self, lengths: Sequence[int]) -> Iterator[list[int]]:
        """Numbers of the prompts in batches of like length that memory holds."""
        for group in _alike(lengths):
            longest = max(lengths[i] for i in group) + self._policy.settings.max_response_tokens
            count = max(1, GENERATION_TOKENS // longest)
            for first in range(0, len(group), count):
                yield group[first : first + count]

    @torch.inference_mode()
    def _generate(
        self, prompts: list[list[int]], rngs: Sequence[np.random.Generator]
    ) -> list[Response]:
        policy, device = self._policy, self._policy.device
        width = max(map(len, prompts))
        ids = torch.zeros(len(prompts), width, dtype=torch.long)
        mask = torch.zeros(len(prompts), width, dtype=torch.long)
        for row, prompt in enumerate(prompts):
            ids[row, width - len(prompt) :] = torch.tensor(prompt)
            mask[row, width - len(prompt) :] = 1
        mask = mask.to(device)
        positions = (mask.cumsum(1) - 1).clamp(min=0)
        out = policy.model(
            input_ids=ids.to(device),
            attention_mask=mask,
            position_ids=positions,
            use_cache=True,
            logits_to_keep=1,
        )
        cache, last = getattr(out, "past_key_values", None), positions[:, -1:]
        if cache is None:
            raise InputError(
                f"models of type {policy.model.config.model_type!r} return no past_key_values, "
                "without which every token would cost a whole prompt; choose another model"
            )

        def advance(tokens: torch.Tensor, alive: torch.Tensor) -> torch.Tensor:
            nonlocal mask, last
            mask = torch.cat([mask, mask.new_ones(len(mask), 1)], dim=1)
            last = last + 1
            step = policy.model(
                input_ids=tokens[:, None],
                attention_mask=mask,
                position_ids=last,
                past_key_values=cache,
                use_cache=True,
            )
            return step.logits[:, -1]

        said = decode(
            out.logits[:, -1],
            advance,
            rngs,
            limits=[policy.settings.max_response_tokens] * len(prompts),
            end_ids=policy.chat.end_ids,
            temperature=self._temperature,
            greedy=self._greedy,
        )
        return [policy._response(p, s) for p, s in zip(prompts, said, strict=True)]


class _Conversations(_Episodes):
    """Dialogues that grow: each token goes through the model once, its keys and values stay."""

    def __init__(
        self,
        policy: TransformersPolicy,
        rngs: Sequence[np.random.Generator],
        *,
        temperature: float,
        greedy: bool,
    ) -> None:
        super().__init__(policy, rngs, temperature=temperature, greedy=greedy)
        self._live = list(range(len(rngs)))
        """Episode of each row of the cache."""
        self._cache = SlotCache(
            len(rngs),
            policy.model.config.get_text_config().num_hidden_layers,
            device=policy.device,
        )
        self._last: list[Response | None] = [None] * len(rngs)
        """Each episode's last response; its last token is not in the cache yet."""

    def respond(self, rows: Sequence[int], prompts: Sequence[str]) -> list[Response]:
        asked = [self._turn(row, prompt) for row, prompt in zip(rows, prompts, strict=True)]
        room = [self._room(row, ids) for row, ids in zip(rows, asked, strict=True)]
        fits = [i for i in range(len(rows)) if room[i] >= 1]
        responses = [Response("", stop="full") for _ in rows]
        if not fits:
            return responses
        self._keep([rows[i] for i in fits])
        with self._policy.precision():
            answers = self._generate([asked[i] for i in fits], [room[i] for i in fits])
        for i, answer in zip(fits, answers, strict=True):
            responses[i] = self._last[rows[i]] = answer
        return responses

    def _turn(self, row: int, prompt: str) -> list[int]:
        last = self._last[row]
        if last is None:
            return self._policy.chat.opening(prompt)
        return self._policy.chat.following(prompt, last.response_ids[-1])

    def _room(self, row: int, ids: list[int]) -> int:
        """Tokens left for the response to this turn."""
        settings = self._policy.settings
        held = int(self._cache.lengths[self._live.index(row)]) + (self._last[row] is not None)
        return min(settings.max_response_tokens, settings.max_prompt_tokens - held - len(ids))

    def _keep(self, rows: Sequence[int]) -> None:
        if list(rows) != self._live:
            where = {row: i for i, row in enumerate(self._live)}
            kept = torch.tensor([where[row] for row in rows], device=self._policy.device)
            self._cache.select(kept)
            self._live = list(rows)

    @torch.inference_mode()
    def _generate(self, turns: list[list[int]], limits: list[int]) -> list[Response]:
        policy, cache = self._policy, self._cache
        pending = [self._last[row] for row in self._live]
        fed = [
            turn if last is None else [last.response_ids[-1], *turn]
            for turn, last in zip(turns, pending, strict=True)
        ]

        def forward(rows: torch.Tensor, ids: torch.Tensor, counts: torch.Tensor) -> torch.Tensor:
            """Logits (rows, vocabulary) after the last of the `counts[i]` real tokens of row i."""
            positions, mask = cache.place(rows, ids.shape[1])
            columns, column = torch.unique(counts.clamp(min=1) - 1, return_inverse=True)
            out = policy.model(
                input_ids=ids,
                attention_mask=mask,
                position_ids=positions,
                past_key_values=cache,
                use_cache=True,
                logits_to_keep=columns,
            )
            cache.advance(counts)
            return out.logits[torch.arange(len(rows), device=rows.device), column]

        groups = [
            torch.tensor(group, device=policy.device)
            for group in _alike([len(tokens) for tokens in fed])
        ]
        read = [
            (rows, forward(rows, *_padded([fed[row] for row in rows.tolist()], policy.device)))
            for rows in groups
        ]
        everyone = torch.arange(len(fed), device=policy.device)

        def advance(tokens: torch.Tensor, alive: torch.Tensor) -> torch.Tensor:
            if 2 * int(alive.sum()) > len(alive):  # a part of the cache would have to be copied
                return forward(everyone, tokens[:, None], alive.long())
            rows = everyone[alive]
            logits = forward(rows, tokens[rows, None], torch.ones_like(rows))
            spread = logits.new_zeros(len(alive), logits.shape[-1])
            spread[rows] = logits
            return spread

        order = torch.cat([rows for rows, _ in read]).argsort()
        said = decode(
            torch.cat([logits for _, logits in read])[order],
            advance,
            [self._rngs[row] for row in self._live],
            limits=limits,
            end_ids=policy.chat.end_ids,
            temperature=self._temperature,
            greedy=self._greedy,
        )
        return [policy._response(turn, s) for turn, s in zip(turns, said, strict=True)]


def _alike(widths: Sequence[int]) -> list[list[int]]:
    """Row numbers in groups of like width: in none is a row less than half as wide as another.

    Observations of a turn differ tenfold; padded to the widest, most of a batch is padding.
    """
    groups: dict[int, list[int]] = {}
    for row, width in enumerate(widths):
        groups.setdefault(width.bit_length(), []).append(row)
    return list(groups.values())


def _padded(
    sequences: Sequence[Sequence[int]], device: torch.device
) -> tuple[torch.Tensor, torch.Tensor]:
    """Token ids padded on the right (rows, tokens), and how many of each row are real (rows,)."""
    ids = torch.zeros(len(sequences), max(map(len, sequences)), dtype=torch.long)
    for line, tokens in zip(ids, sequences, strict=True):
        line[: len(tokens)] = torch.tensor(tokens)
    counts = torch.tensor([len(tokens) for tokens in sequences])
    return ids.to(device), counts.to(device)


def load_policy(
    config: PolicyConfig, *, trainable: bool = False, prompt_tokens: int = 2048
) -> TransformersPolicy:
    """Load a model folder, a Hugging Face id or a GGUF file, ready to act.

    With `trainable`, weights that are to be trained are in float32, whatever the precision of
    computation; frozen ones, those under LoRA adapters, are in that precision. So are those of
    a model that only acts, unless they are stored in float32, as proxmo's are: it then acts as
    it did when it was trained.

    A model that proxmo trained remembers how it was prompted; settings given explicitly win.
    `prompt_tokens` is the longest prompt where neither says. Raises `InputError` when the model
    cannot be loaded.
    """
    from transformers import AutoModelForCausalLM, AutoTokenizer

    logging.set_verbosity_error()
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
        model: Any = AutoModelForCausalLM.from_pretrained(
            source, dtype=weights, **options, **_unpacked(gguf_file)
        )
    except Exception as error:  # whatever loading raises, the user gave the name
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise InputError(
            f"model {config.model!r} cannot be loaded ({reason}); give 'builtin', a folder in "
            "Hugging Face format, a model id of the hub that this machine can reach, or a .gguf "
            "file"
        ) from error
    if config.lora_rank:
        model = _with_lora(model, config)
    if config.gradient_checkpointing:
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    if model.dtype not in (torch.float32, compute):
        model.to(compute)
    model.to(device).eval()
    settings = prompt_settings(config, Path(source), prompt_tokens)
    settings = _within_positions(config.model, model.config, settings, config.max_prompt_tokens)
    trained = trainable or model.dtype == torch.float32
    mixed = compute if trained and compute != torch.float32 else None
    return TransformersPolicy(model, tokenizer, settings, mixed)


def prompt_settings(
    config: PolicyConfig, folder: Path, prompt_tokens: int = 2048
) -> PromptSettings:
    """What the model in `folder` was trained with, the paper's otherwise; explicit values win."""
    try:
        stored = json.loads((folder / SETTINGS_FILE).read_text(encoding="utf-8"))
        settings = PromptSettings(**stored)
    except FileNotFoundError:
        settings = PromptSettings(max_prompt_tokens=prompt_tokens)
    except (json.JSONDecodeError, TypeError) as error:
        raise InputError(f"{folder / SETTINGS_FILE} is damaged ({error}); delete it") from None
    if config.context != "auto":
        settings = replace(settings, context=config.context)
    if config.prompt != "auto":
        limit = 512 if config.prompt == "think" else 16
        settings = replace(settings, style=config.prompt, max_response_tokens=limit)
    numbers = ("history", "max_prompt_tokens", "max_response_tokens")
    given = {name: value for name in numbers if (value := getattr(config, name)) is not None}
    return replace(settings, **given)


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


def _generation_ends(model: Any) -> list[int]:
    """Tokens that end a text by the model's generation settings."""
    ends = getattr(getattr(model, "generation_config", None), "eos_token_id", None)
    if ends is None:
        return []
    return [ends] if isinstance(ends, int) else list(ends)


def _within_positions(
    name: str, config: Any, settings: PromptSettings, given: int | None
) -> PromptSettings:
    """Prompts no longer than the model has positions for; refused where they were asked for."""
    limit = getattr(config.get_text_config(), "max_position_embeddings", None)
    if limit is None:
        return settings
    if settings.context == "window":
        limit -= settings.max_response_tokens
    if settings.max_prompt_tokens <= limit:
        return settings
    lacks = f"model {name!r} has no positions for"
    if limit < 1:
        raise InputError(
            f"{lacks} responses of {settings.max_response_tokens} tokens; lower max_response_tokens"
        )
    if given is not None:
        raise InputError(
            f"{lacks} prompts of {given} tokens and responses of {settings.max_response_tokens}; "
            f"lower max_prompt_tokens to {limit} or less"
        )
    return replace(settings, max_prompt_tokens=limit)


def _require_full_attention(config: Any, longest: int) -> None:
    """Refuse models that do not attend to all of a conversation as its cache has it."""
    text = config.get_text_config()
    kinds = set(getattr(text, "layer_types", None) or ["full_attention"])
    window = getattr(text, "sliding_window", None)
    if kinds != {"full_attention"}:
        what = f"has {', '.join(sorted(kinds))} layers"
    elif window is not None and getattr(text, "layer_types", None) is None and window < longest:
        what = f"looks back {window} tokens, fewer than the {longest} of a conversation"
    elif config._attn_implementation == "eager":
        what = "has an attention of its own"
    else:
        return
    raise InputError(
        f"model type {config.model_type!r} {what}, which the conversation context cannot cache; "
        "use --policy.context window"
    )
