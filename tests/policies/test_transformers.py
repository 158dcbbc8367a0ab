"""The language-model policy: cached generation agrees with plain forward passes."""

import pickle
import time
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from tiny import TEXTS, tiny_policy, tiny_tokenizer
from tokenizers import AddedToken
from tokenizers.processors import TemplateProcessing
from transformers import (
    AutoModelForCausalLM,
    GPTJConfig,
    MambaConfig,
    MambaForCausalLM,
    MistralConfig,
)

from proxmo.config import PolicyConfig
from proxmo.envs import registry
from proxmo.envs.base import Task
from proxmo.episodes.play import rollout
from proxmo.errors import InputError, ProxmoWarning
from proxmo.evaluation.prompting.examples import Example, ExampleTurn
from proxmo.evaluation.prompting.trials import prompt
from proxmo.evaluation.tasks import sample_tasks
from proxmo.policies.chat import ChatFormat
from proxmo.policies.transformers import PromptSettings, TransformersPolicy, load_policy
from proxmo.prompts import Prompter
from proxmo.types import Context


def generators(count: int) -> list[np.random.Generator]:
    return [np.random.default_rng([7, i]) for i in range(count)]


def recomputed(policy: TransformersPolicy, ids: Sequence[int], count: int) -> list[float]:
    """Log-probabilities of the last `count` of `ids`, by one plain forward pass."""
    with torch.inference_mode():
        logits = policy.model(input_ids=torch.tensor([ids])).logits[0]
    logprobs = torch.log_softmax(logits, dim=-1)
    return [
        float(logprobs[position - 1, ids[position]])
        for position in range(len(ids) - count, len(ids))
    ]


def test_window_logprobs_are_those_of_a_plain_forward_pass():
    policy = tiny_policy("window")
    dialogue = policy.open(generators(3), temperature=1.0, greedy=False)
    for response in dialogue.respond([0, 1, 2], [TEXTS[0], TEXTS[2], "go"]):
        sequence = [*response.prompt_ids, *response.response_ids]
        expected = recomputed(policy, sequence, len(response.response_ids))
        assert response.logprobs == pytest.approx(expected, abs=1e-5)


def test_conversation_logprobs_are_those_of_a_plain_forward_pass_after_many_turns():
    policy = tiny_policy("conversation")
    dialogue = policy.open(generators(4), temperature=1.0, greedy=False)
    sequences: dict[int, list[int]] = {row: [] for row in range(4)}
    # Rows leave at different turns, and prompts of a batch differ in length.
    for turn, rows in enumerate([[0, 1, 2, 3], [0, 1, 2, 3], [1, 3], [1, 3], [3]]):
        prompts = [TEXTS[(row + turn) % 3] for row in rows]
        for row, response in zip(rows, dialogue.respond(rows, prompts), strict=True):
            assert list(response.prompt_ids[: response.remembered]) == sequences[row]
            sequences[row] = [*response.prompt_ids, *response.response_ids]
            expected = recomputed(policy, sequences[row], len(response.response_ids))
            assert response.logprobs == pytest.approx(expected, abs=1e-5)


def test_what_an_episode_says_does_not_depend_on_its_batch():
    policy = tiny_policy("conversation")
    together = policy.open(generators(3), temperature=1.0, greedy=False)
    alone = policy.open(generators(3)[2:], temperature=1.0, greedy=False)
    for text in TEXTS:
        in_company = together.respond([0, 1, 2], [TEXTS[0], "go", text])[2]
        assert in_company.response_ids == alone.respond([0], [text])[0].response_ids


def test_greedy_takes_the_most_likely_token():
    policy = tiny_policy("window", max_response_tokens=1)
    response = policy.open(generators(1), temperature=1.0, greedy=True).respond([0], ["go"])[0]
    with torch.inference_mode():
        logits = policy.model(input_ids=torch.tensor([response.prompt_ids])).logits[0, -1]
    assert response.response_ids == (int(logits.argmax()),)


def test_a_window_that_is_too_long_is_not_answered_and_the_others_are():
    policy = tiny_policy("window", max_prompt_tokens=20)
    dialogue = policy.open(generators(4), temperature=1.0, greedy=True)
    responses = dialogue.respond([0, 1, 2, 3], [TEXTS[0] * 3, "go", "x" * 10**7, "go"])
    assert [response.stop == "full" for response in responses] == [True, False, True, False]
    assert list(responses[1].prompt_ids) == policy.chat.opening("go")
    assert [policy.fits(text) for text in (TEXTS[0] * 3, "go", "x" * 10**7)] == [False, True, False]


def test_a_turn_that_is_much_too_long_ends_a_conversation_unread():
    policy = tiny_policy("conversation")
    dialogue = policy.open(generators(2), temperature=1.0, greedy=False)
    began = time.process_time()
    full, other = dialogue.respond([0, 1], ["a mug " * 10**6, "go"])
    assert (full.stop, other.stop == "full") == ("full", False)
    assert time.process_time() - began < 5.0


class Corridor:
    """Tells a room a turn, four in all."""

    def reset(self, *, seed=None, options=None):
        self.turn = 0
        return "room 0", {"success": False}

    def step(self, action):
        self.turn += 1
        return f"room {self.turn}", 0.0, False, self.turn == 4, {"success": False}

    def close(self):
        pass


def test_a_rollout_leaves_out_the_oldest_turns_and_says_so():
    policy = tiny_policy("window", max_prompt_tokens=40)
    policy.prompter = Prompter("compact", history=9)
    with pytest.warns(ProxmoWarning, match="oldest turns were left out"):
        [played] = rollout(policy, Corridor, [Task("t", "", {})], group_size=1, seed=0)
    assert [step.cut for step in played.steps] == [False, *[step.cut for step in played.steps[1:]]]
    assert any(step.cut for step in played.steps)
    for turn, step in enumerate(played.steps):
        assert step.prompt.endswith(f"room {turn}")
        assert len(step.prompt_ids) <= 40


def test_a_conversation_that_is_full_says_so_and_leaves_the_others_alone():
    policy = tiny_policy("conversation", max_prompt_tokens=40)
    dialogue = policy.open(generators(2), temperature=1.0, greedy=False)
    dialogue.respond([0, 1], ["go", "go"])
    full, other = dialogue.respond([0, 1], [TEXTS[0] * 3, "go"])
    assert full.stop == "full"
    assert full.response_ids == ()
    assert len(other.response_ids) >= 1


def test_a_conversation_is_tokenised_as_the_whole_dialogue_would_be():
    policy = tiny_policy("conversation")
    chat, tokenizer = policy.chat, policy.tokenizer
    end = min(chat.end_ids)
    pieces = [
        *chat.opening("first"),
        *tokenizer("answer", add_special_tokens=False)["input_ids"],
        end,
        *chat.following("second", end),
    ]
    whole = tokenizer.apply_chat_template(
        [
            {"role": "user", "content": "first"},
            {"role": "assistant", "content": "answer"},
            {"role": "user", "content": "second"},
        ],
        add_generation_prompt=True,
        tokenize=False,
    )
    assert tokenizer.decode(pieces) == whole


def test_a_turn_that_ends_otherwise_than_the_template_ends_it_is_closed_in_the_next_prompt():
    tokenizer = tiny_tokenizer()
    tokenizer.add_tokens([AddedToken("<stop>", special=True)])
    stop = tokenizer.convert_tokens_to_ids("<stop>")
    chat = ChatFormat(tokenizer, [stop])
    assert chat.end_ids == {stop, tokenizer.eos_token_id}
    whole = chat.following("x", last=None)
    assert whole[0] == tokenizer.eos_token_id
    assert chat.following("x", last=tokenizer.eos_token_id) == whole[1:]
    assert chat.following("x", last=stop) == whole
    assert chat.following("x", last=tokenizer("go")["input_ids"][-1]) == whole


def test_a_tokenizer_without_a_template_gets_a_plain_one():
    tokenizer = tiny_tokenizer()
    tokenizer.chat_template = None
    ids = ChatFormat(tokenizer).opening("go")
    assert tokenizer.decode(ids) == "User: go\nAssistant:"


def test_a_base_models_text_begins_as_its_tokenizer_begins_texts():
    tokenizer = tiny_tokenizer()
    tokenizer.chat_template = None
    tokenizer.add_special_tokens({"bos_token": "<s>"})
    assert not tokenizer.decode(ChatFormat(tokenizer).opening("go")).startswith("<s>")
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", tokenizer.bos_token_id)]
    )
    ids = ChatFormat(tokenizer).opening("go")
    assert ids.count(tokenizer.bos_token_id) == 1
    assert tokenizer.decode(ids).startswith("<s>User: go")


TURNS = (
    "{% for message in messages %}<turn>{{ message['content'] }}<end_of_turn>{% endfor %}"
    "{% if add_generation_prompt %}<turn>{% endif %}"
)


def test_a_turn_ends_with_the_special_token_that_the_template_ends_it_with():
    # As in Gemma: marked as special, without a name among the tokenizer's.
    tokenizer = tiny_tokenizer()
    tokenizer.add_tokens([AddedToken(text, special=True) for text in ("<turn>", "<end_of_turn>")])
    tokenizer.chat_template = TURNS
    end = tokenizer.convert_tokens_to_ids("<end_of_turn>")
    assert end not in tokenizer.all_special_ids
    chat = ChatFormat(tokenizer)
    assert chat.end_ids == {end, tokenizer.eos_token_id}
    assert chat.following("go", last=None) == [end, *chat.following("go", last=end)]


def test_ends_of_the_generation_settings_count_if_they_are_special():
    tokenizer = tiny_tokenizer()
    tokenizer.add_tokens([AddedToken("<stop>", special=True)])
    stop = tokenizer.convert_tokens_to_ids("<stop>")
    ordinary = tokenizer("desk")["input_ids"][0]
    assert stop in ChatFormat(tokenizer, [stop, ordinary]).end_ids
    assert ordinary not in ChatFormat(tokenizer, [stop, ordinary]).end_ids


def test_a_template_that_tells_the_day_is_always_told_the_same():
    tokenizer = tiny_tokenizer()
    tokenizer.chat_template = "{{ strftime_now('%d %b %Y') }} " + TURNS
    assert tokenizer.decode(ChatFormat(tokenizer).opening("go")).startswith("01 Jan 2026")


def test_saved_policies_load_with_their_prompt_settings(tmp_path):
    policy = tiny_policy("conversation")
    policy.save(tmp_path)
    loaded = load_policy(PolicyConfig(model=str(tmp_path)))
    assert loaded.settings == policy.settings
    ids = torch.tensor([[1, 2, 3]])
    assert torch.equal(loaded.model(input_ids=ids).logits, policy.model(input_ids=ids).logits)


def test_explicit_prompt_settings_win_over_stored_ones(tmp_path):
    tiny_policy("conversation").save(tmp_path)
    loaded = load_policy(PolicyConfig(model=str(tmp_path), context="window", prompt="think"))
    assert loaded.context == "window"
    assert loaded.settings.max_response_tokens == 512


def test_lora_trains_adapters_alone_and_refers_to_the_model_without_them(tmp_path):
    policy = tiny_policy("window")
    policy.save(tmp_path)
    lora = load_policy(PolicyConfig(model=str(tmp_path), dtype="float32", lora_rank=4))
    ids = torch.tensor([[1, 2, 3]])
    trained = [name for name, p in lora.model.named_parameters() if p.requires_grad]
    assert trained
    assert all("lora_" in name for name in trained)
    with torch.no_grad():
        for name, parameter in lora.model.named_parameters():
            if "lora_B" in name:
                parameter.fill_(0.3)
    with lora.reference() as reference, torch.no_grad():
        assert torch.allclose(reference(input_ids=ids).logits, policy.model(input_ids=ids).logits)
    lora.save(tmp_path / "merged")
    merged = load_policy(PolicyConfig(model=str(tmp_path / "merged"), dtype="float32"))
    with torch.no_grad():
        assert torch.allclose(
            merged.model(input_ids=ids).logits, lora.model(input_ids=ids).logits, atol=1e-5
        )


def test_small_changes_by_lora_survive_in_the_saved_model(tmp_path):
    tiny_policy("window").save(tmp_path)
    lora = load_policy(PolicyConfig(model=str(tmp_path), dtype="bfloat16", lora_rank=4))
    with torch.no_grad():
        for name, parameter in lora.model.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=1e-3)
    name = "model.layers.0.mlp.down_proj"
    layer = lora.model.base_model.model.get_submodule(name)
    change = layer.get_delta_weight("default")
    lora.save(tmp_path / "merged")
    merged = load_policy(PolicyConfig(model=str(tmp_path / "merged"), dtype="float32"))
    saved = merged.model.get_submodule(name).weight - layer.base_layer.weight.float()
    torch.testing.assert_close(saved, change.float(), rtol=1e-2, atol=1e-6)
    assert layer.base_layer.weight.dtype == torch.bfloat16  # the policy itself is as it was


def test_prompts_longer_than_the_model_reads_are_refused_with_what_would_do(tmp_path):
    tiny_policy("window").save(tmp_path)
    with pytest.raises(InputError, match=r"prompts of 2040 tokens.*max_prompt_tokens to 2028 or"):
        load_policy(PolicyConfig(str(tmp_path), max_prompt_tokens=2040, max_response_tokens=20))
    load_policy(PolicyConfig(str(tmp_path), max_prompt_tokens=2028, max_response_tokens=20))
    with pytest.raises(InputError, match="responses of 4000 tokens; lower max_response_tokens"):
        load_policy(PolicyConfig(str(tmp_path), max_response_tokens=4000))


def test_prompts_are_cut_to_the_model_where_nobody_says_how_long_they_may_be(tmp_path):
    tiny_policy("window").save(tmp_path)
    (tmp_path / "proxmo.json").unlink()
    policy = load_policy(PolicyConfig(str(tmp_path)), prompt_tokens=8192)
    assert policy.settings.max_prompt_tokens == 2048 - policy.settings.max_response_tokens


@pytest.mark.parametrize(
    ("config", "told"),
    [
        (MistralConfig(sliding_window=100), "looks back 100 tokens, fewer than the 256"),
        (GPTJConfig(n_positions=512, rotary_dim=4), "has an attention of its own"),
    ],
)
def test_attention_that_the_cache_would_play_otherwise_is_refused(config, told):
    tokenizer = tiny_tokenizer()
    small = {"vocab_size": 300, "hidden_size": 32, "num_hidden_layers": 1}
    config.update(small | {"num_attention_heads": 4, "intermediate_size": 64})
    model = AutoModelForCausalLM.from_config(config)
    with pytest.raises(InputError, match=told):
        TransformersPolicy(model, tokenizer, PromptSettings("conversation", max_prompt_tokens=256))
    TransformersPolicy(model, tokenizer, PromptSettings("window"))


def test_a_model_without_a_cache_of_keys_is_refused():
    tokenizer = tiny_tokenizer()
    config = MambaConfig(vocab_size=300, hidden_size=32, num_hidden_layers=1, state_size=4)
    policy = TransformersPolicy(MambaForCausalLM(config), tokenizer, PromptSettings("window"))
    episodes = policy.open(generators(1), temperature=1.0, greedy=False)
    with pytest.raises(InputError, match="'mamba' return no past_key_values"):
        episodes.respond([0], ["go"])


def test_a_model_that_cannot_be_loaded_is_named(tmp_path):
    with pytest.raises(InputError, match=r"nowhere.*cannot be loaded"):
        load_policy(PolicyConfig(model=str(tmp_path / "nowhere")))
    with pytest.raises(InputError, match=r"missing\.gguf does not exist"):
        load_policy(PolicyConfig(model=str(tmp_path / "missing.gguf")))


@pytest.mark.parametrize("context", ["window", "conversation"])
def test_a_model_that_runs_here_can_be_prompted_and_its_tokens_counted(context: Context):
    policy = tiny_policy(context, max_prompt_tokens=4096)
    policy.prompter = Prompter("think")
    alfworld = registry.get("alfworld")
    tasks = sample_tasks(alfworld.load_tasks("valid", None, 0, 2), 2, seed=0)
    example = Example("open it", "A box.", [ExampleTurn("it is shut", "open box", "It opens.")])
    came = prompt(
        "reflexion",
        policy,
        lambda: alfworld.make(max_steps=2),
        tasks,
        seed=0,
        examples=[example],
        trials=2,
    )
    # Untrained, it solves nothing: 2 trials x 2 tasks x 2 steps, and 2 reflections.
    assert [trial.success for trial in came.trials] == [0.0, 0.0]
    assert came.usage.requests == 2 * 2 * 2 + 2
    assert 0 < came.usage.completion_tokens <= 6 * came.usage.requests
    assert came.usage.prompt_tokens > 1000


def test_the_turns_of_a_conversation_share_their_tokens():
    dialogue = tiny_policy("conversation").open(generators(2), temperature=1.0, greedy=False)
    said = [dialogue.respond([0, 1], ["go", TEXTS[turn % 3]]) for turn in range(6)]
    for own in zip(*said, strict=True):  # of one episode
        prompts = [response.prompt_ids for response in own]
        assert len(pickle.dumps(prompts)) < 2 * len(pickle.dumps(prompts[-1])) + 50 * len(prompts)
