"""Any Hugging Face causal language model as a policy."""

from proxmo.policies.transformers.policy import (
    PromptSettings,
    TransformersPolicy,
    fast_dtype,
    load_policy,
)

__all__ = ["PromptSettings", "TransformersPolicy", "fast_dtype", "load_policy"]
