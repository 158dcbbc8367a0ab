"""Models that are loaded: whole, finite, and prompted as they were trained."""

import json
import logging
import os
import struct

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny import tiny_policy, tiny_tokenizer
from transformers import LlamaConfig, LlamaForCausalLM

from proxmo.config import PolicyConfig
from proxmo.errors import InputError
from proxmo.policies.transformers import PromptSettings, TransformersPolicy, load_policy


@pytest.fixture
def folder(tmp_path):
    tiny_policy("window").save(tmp_path)
    return tmp_path


def change_weights(folder, change):
    weights = load_file(folder / "model.safetensors")
    change(weights)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def test_a_model_that_lacks_weights_is_refused_by_their_names(folder):
    change_weights(folder, lambda weights: weights.pop("model.layers.1.mlp.up_proj.weight"))
    with pytest.raises(InputError, match=r"lacks 1 of its weights \(model\.layers\.1\.mlp"):
        load_policy(PolicyConfig(model=str(folder)))


def test_of_many_lacking_weights_three_are_named(folder):
    change_weights(
        folder, lambda weights: [weights.pop(name) for name in list(weights) if "layers.0" in name]
    )
    with pytest.raises(InputError, match=r"lacks 9 of its weights \(.*, \.\.\.\)"):
        load_policy(PolicyConfig(model=str(folder)))


def test_weights_that_are_tied_are_stored_once_and_lack_nothing(tmp_path):
    tokenizer = tiny_tokenizer()
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=1,
        num_attention_heads=4,
        tie_word_embeddings=True,
    )
    TransformersPolicy(LlamaForCausalLM(config), tokenizer, PromptSettings()).save(tmp_path)
    assert "lm_head.weight" not in load_file(tmp_path / "model.safetensors")
    load_policy(PolicyConfig(model=str(tmp_path)))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_are_refused_by_name(folder, value):
    def spoil(weights):
        weights["model.norm.weight"][3] = value

    change_weights(folder, spoil)
    with pytest.raises(InputError, match=r"not finite numbers \(model\.norm\.weight\)"):
        load_policy(PolicyConfig(model=str(folder)))


def reshape(weights):
    weights["model.norm.weight"] = torch.ones(7)


def test_weights_of_another_shape_are_refused(folder):
    change_weights(folder, reshape)
    with pytest.raises(InputError, match="cannot be loaded"):
        load_policy(PolicyConfig(model=str(folder)))


@pytest.mark.parametrize("damage", ["truncated", "flipped", "huge", "empty", "text"])
def test_damaged_files_of_weights_are_refused(folder, damage):
    path = folder / "model.safetensors"
    data = bytearray(path.read_bytes())
    if damage == "truncated":
        data = data[: len(data) // 2]
    elif damage == "flipped":
        data[20] ^= 0xFF  # in the header, which is JSON
    elif damage == "huge":
        data[:8] = struct.pack("<Q", 2**62)  # the header's length
    elif damage == "empty":
        data = bytearray()
    else:
        data = bytearray(b"version https://git-lfs.github.com/spec/v1\n")
    path.write_bytes(data)
    with pytest.raises(InputError, match="cannot be loaded"):
        load_policy(PolicyConfig(model=str(folder)))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (b'{"style": "evil"}', r"style: Input should be 'compact', 'numbered' or 'think'"),
        (b'{"history": -1}', "history: Input should be greater than or equal to 0"),
        (b'{"history": "2"}', "history: Input should be a valid integer"),
        (b'{"max_prompt_tokens": 0}', "max_prompt_tokens"),
        (b'{"max_response_tokens": 1.5}', "max_response_tokens"),
        (b'{"list_actions": 1}', "list_actions"),
        (b'{"context": null}', "context"),
        (b'{"template": {"a": []}}', r"template\.a"),
        (b'{"temperature": 1.0}', "temperature: Unexpected keyword argument"),
        (b"[" * 100_000, "recursion limit"),
        (b"\xff\x00\x93", "JSON"),
        (b"[]", "Input should be an object"),
        (b"", "JSON"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_settings_that_are_no_settings_are_a_sentence(folder, text, told):
    (folder / "proxmo.json").write_bytes(text)
    with pytest.raises(InputError, match=rf"proxmo\.json is damaged \(.*{told}"):
        load_policy(PolicyConfig(model=str(folder)))


def test_settings_that_are_no_file_are_not_waited_for(folder):
    (folder / "proxmo.json").unlink()
    os.mkfifo(folder / "proxmo.json")
    with pytest.raises(InputError, match=r"proxmo\.json is no file"):
        load_policy(PolicyConfig(model=str(folder)))


def test_settings_of_before_this_version_are_read(folder):
    old = {"context": "window", "style": "compact", "history": 3, "max_prompt_tokens": 99}
    (folder / "proxmo.json").write_text(json.dumps(old))
    loaded = load_policy(PolicyConfig(model=str(folder)))
    assert loaded.settings == PromptSettings("window", "compact", 3, 99)


def test_naming_the_style_that_a_model_has_changes_nothing(folder):
    own = load_policy(PolicyConfig(model=str(folder))).settings
    assert own.max_response_tokens == 6
    assert load_policy(PolicyConfig(model=str(folder), prompt="compact")).settings == own
    other = load_policy(PolicyConfig(model=str(folder), prompt="think")).settings
    assert other.max_response_tokens == 512


def test_a_model_remembers_whether_actions_are_listed_and_what_its_template_was_told(folder):
    policy = load_policy(PolicyConfig(model=str(folder)))
    policy.tokenizer.chat_template += "{% if thinks %}<think>\n{% endif %}"
    policy.save(folder)
    config = PolicyConfig(model=str(folder), list_actions=False, template={"thinks": True})
    told = load_policy(config)
    assert (told.prompter.list_actions, told.prompter.opened) == (False, "<think>\n")
    told.save(folder / "again")
    again = load_policy(PolicyConfig(model=str(folder / "again")))
    assert again.settings == told.settings
    assert again.prompter == told.prompter
    other = PolicyConfig(model=str(folder / "again"), list_actions=True, template={"thinks": False})
    assert load_policy(other).prompter.opened == ""


def test_variables_that_the_template_does_not_know_are_refused(folder):
    with pytest.raises(
        InputError, match=r"policy\.template sets 'thinks', which the chat template"
    ):
        load_policy(PolicyConfig(model=str(folder), template={"thinks": True}))


def test_the_hubs_retries_are_not_told_between_the_bars(tmp_path):
    from_hub = logging.getLogger("huggingface_hub")
    from_hub.setLevel(logging.WARNING)
    with pytest.raises(InputError, match="cannot be loaded"):
        load_policy(PolicyConfig(model=str(tmp_path)))
    assert not logging.getLogger("huggingface_hub.utils._http").isEnabledFor(logging.WARNING)
