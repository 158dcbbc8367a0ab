"""How a model is prompted, kept beside its weights: the same wherever it is used."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from proxmo.config import PolicyConfig
from proxmo.errors import InputError
from proxmo.prompts import PromptStyle
from proxmo.types import Context

SETTINGS_FILE = "proxmo.json"
"""Beside a model's weights: how it was trained to be prompted."""


@dataclass(frozen=True, slots=True)
class PromptSettings:
    """How a policy reads and how much it may say."""

    context: Context = "window"
    style: PromptStyle = "think"
    history: int = 2
    max_prompt_tokens: int = 2048
    """Longest window prompt, whose start is cut; longest conversation, which then ends."""
    max_response_tokens: int = 512


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


def within_positions(
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
