"""Any Hugging Face causal language model as a policy."""

from proxmo.policies.transformers.load import fast_dtype, load_policy
from proxmo.policies.transformers.policy import TransformersPolicy
from proxmo.policies.transformers.settings import PromptSettings

__all__ = ["PromptSettings", "TransformersPolicy", "fast_dtype", "load_policy"]
