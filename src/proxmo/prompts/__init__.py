"""Observation and history to the text a policy reads; its response to an action."""

from proxmo.prompts.prompter import Prompter, PromptStyle

__all__ = ["PromptStyle", "Prompter"]
