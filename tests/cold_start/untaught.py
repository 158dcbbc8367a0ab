"""A policy that was taught nothing yet, with a tokenizer of its own."""

from proxmo.cold_start.model import make_model
from proxmo.cold_start.tokenizer import train_tokenizer
from proxmo.policies.transformers import PromptSettings, TransformersPolicy
from proxmo.types import Context


def fitted(episodes, context: Context = "conversation"):
    texts = [text for turns in episodes for t in turns for text in (t.observation, t.action)]
    tokenizer = train_tokenizer(texts, 400)
    settings = PromptSettings(context=context, style="compact")
    return TransformersPolicy(make_model(tokenizer, 0), tokenizer, settings)
