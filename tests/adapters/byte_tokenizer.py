"""A tokenizer of bytes with a chat template; nothing to download."""

from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

OPENS = (
    "{% if add_generation_prompt %}{{ '<think>\n' }}"
    "{% if not enable_thinking %}{{ '\n</think>\n\n' }}{% endif %}{% endif %}"
)
"""What Qwen's later templates say for the policy: a thought begun, or one begun and ended."""


def byte_tokenizer(opens=""):
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {"<eos>": 0} | {letter: i for i, letter in enumerate(alphabet, 1)}
    raw = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=raw, eos_token="<eos>", pad_token="<eos>")
    tokenizer.chat_template = (
        "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}"
        "{{ eos_token if m['role'] == 'assistant' else '\n' }}{% endfor %}"
        "{% if add_generation_prompt %}assistant: {% endif %}" + opens
    )
    return tokenizer
