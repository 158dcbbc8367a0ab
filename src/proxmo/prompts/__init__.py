"""Observation and history to the text a policy reads; its response to an action."""

from proxmo.prompts.codec import Codec
from proxmo.prompts.cutting import Prompt
from proxmo.prompts.prompter import Prompter, PromptStyle

__all__ = ["Codec", "Prompt", "PromptStyle", "Prompter"]
