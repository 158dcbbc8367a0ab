"""How a model is prompted, kept beside its weights: the same wherever it is used."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

from pydantic import ConfigDict, TypeAdapter, ValidationError

from proxmo.config import Count, PolicyConfig, Positive
from proxmo.errors import InputError
from proxmo.prompts import PromptStyle
from proxmo.types import Context

SETTINGS_FILE = "proxmo.json"
"""Beside a model's weights: how it was trained to be prompted."""


@dataclass(frozen=True, slots=True)
class PromptSettings:
    """How a policy reads and how much it may say."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", strict=True)

    context: Context = "window"
    style: PromptStyle = "think"
    history: Count = 2
    max_prompt_tokens: Positive = 2048
    """Longest window prompt, which leaves out its oldest turns first; longest conversation, which
    then ends."""
    max_response_tokens: Positive = 512
    list_actions: bool = True
    """Whether think prompts list the admissible actions."""
    template: Mapping[str, bool | int | float | str] = field(default_factory=dict)
    """Variables of the chat template, such as `enable_thinking`."""


def prompt_settings(
    config: PolicyConfig, folder: Path, prompt_tokens: int = 2048
) -> PromptSettings:
    """What the model in `folder` was trained with, the paper's otherwise; explicit values win."""
    settings = _stored(folder / SETTINGS_FILE)
    if settings is None:
        settings = PromptSettings(max_prompt_tokens=prompt_tokens)
    if config.context != "auto":
        settings = replace(settings, context=config.context)
    if config.prompt not in ("auto", settings.style):
        limit = 512 if config.prompt == "think" else 16
        settings = replace(settings, style=config.prompt, max_response_tokens=limit)
    names = ("history", "max_prompt_tokens", "max_response_tokens", "list_actions")
    given = {name: value for name in names if (value := getattr(config, name)) is not None}
    return replace(settings, **given, template={**settings.template, **config.template})


def write_prompt_settings(settings: PromptSettings, folder: Path) -> None:
    """Write them beside a model's weights."""
    text = json.dumps(asdict(settings), indent=2)
    (folder / SETTINGS_FILE).write_text(text + "\n", encoding="utf-8")


def _stored(path: Path) -> PromptSettings | None:
    """The settings in the file `path`; none where there is none."""
    if not path.exists():
        return None
    way_out = "delete it, or put back what `proxmo` wrote"
    if not path.is_file():
        raise InputError(f"{path} is no file; {way_out}")
    try:
        return TypeAdapter(PromptSettings).validate_json(path.read_bytes())
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        reason = f"{where}: {first['msg']}" if where else first["msg"]
        raise InputError(f"{path} is damaged ({reason}); {way_out}") from None


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
