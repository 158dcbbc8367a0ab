"""Any Hugging Face causal language model as a policy."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from transformers.modeling_layers import GradientCheckpointingLayer
from transformers.utils import logging

from proxmo.errors import InputError
from proxmo.policies.attention import CPU_ATTENTION
from proxmo.policies.base import Dialogue
from proxmo.policies.chat import ChatFormat
from proxmo.policies.transformers.conversations import Conversations
from proxmo.policies.transformers.settings import PromptSettings, write_prompt_settings
from proxmo.policies.transformers.windows import Windows
from proxmo.prompts import Codec, Prompter
from proxmo.types import Context, Step


class TransformersPolicy:
    """A causal language model with its tokenizer and its way of being prompted."""

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        settings: PromptSettings,
        compute: torch.dtype | None = None,
        codec: Codec | None = None,
    ) -> None:
        self.model = model
        self.tokenizer = tokenizer
        self.settings = settings
        self.context: Context = settings.context
        self.chat = ChatFormat(tokenizer, _generation_ends(model), **settings.template)
        self.prompter = Prompter(
            settings.style, settings.history, codec, settings.list_actions, self.chat.opened
        )
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

    def fits(self, prompt: str) -> bool:
        """Whether a window's prompt, or the first one of a conversation, is short enough."""
        limit = self.settings.max_prompt_tokens - (self.context == "conversation")
        return not self.chat.exceeds(prompt, limit) and len(self.chat.opening(prompt)) <= limit

    def open(
        self, rngs: Sequence[np.random.Generator], *, temperature: float, greedy: bool
    ) -> Dialogue:
        """Begin `len(rngs)` episodes; each samples from its own generator only."""
        kind = Conversations if self.context == "conversation" else Windows
        return kind(self, rngs, temperature=temperature, greedy=greedy)

    def resume(
        self,
        pasts: Sequence[Sequence[Step]],
        rngs: Sequence[np.random.Generator],
        *,
        temperature: float,
        greedy: bool,
    ) -> Dialogue:
        """Episodes that stand behind `pasts[i]`, turns that this policy took."""
        if self.context == "window":
            return Windows(self, rngs, temperature=temperature, greedy=greedy)
        conversations = Conversations(self, rngs, temperature=temperature, greedy=greedy)
        conversations.recall(pasts)
        return conversations

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
        write_prompt_settings(self.settings, folder)


def _generation_ends(model: Any) -> list[int]:
    """Tokens that end a text by the model's generation settings."""
    ends = getattr(getattr(model, "generation_config", None), "eos_token_id", None)
    if ends is None:
        return []
    return [ends] if isinstance(ends, int) else list(ends)


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
