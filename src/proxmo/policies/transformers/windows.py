"""Episodes whose every turn is a prompt of its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch

from proxmo.errors import InputError
from proxmo.policies.base import Response
from proxmo.policies.sampling import decode
from proxmo.policies.transformers.dialogue import PlayedEpisodes, alike
from proxmo.tokens import Tokens

GENERATION_TOKENS = 131_072
"""Most padded tokens of a batch of window prompts: bounds the memory of generation."""


class Windows(PlayedEpisodes):
    """Every turn is a fresh prompt; nothing is remembered between turns."""

    def respond(self, rows: Sequence[int], prompts: Sequence[str]) -> list[Response]:
        """Answer `prompts[i]` in episode `rows[i]`."""
        limit = self._policy.settings.max_prompt_tokens
        chat = self._policy.chat
        responses = [Response("", stop="full") for _ in rows]
        encoded = {
            i: ids
            for i, prompt in enumerate(prompts)
            if not chat.exceeds(prompt, limit) and len(ids := chat.opening(prompt)) <= limit
        }
        numbers = list(encoded)
        for group in self._batches([len(ids) for ids in encoded.values()]):
            batch = [numbers[place] for place in group]
            rngs = [self._rngs[rows[i]] for i in batch]
            with self._policy.precision():
                answers = self._generate([encoded[i] for i in batch], rngs)
            for i, answer in zip(batch, answers, strict=True):
                responses[i] = answer
        return responses

    def _batches(self, lengths: Sequence[int]) -> Iterator[list[int]]:
        """Numbers of the prompts in batches of like length that memory holds."""
        for group in alike(lengths):
            longest = max(lengths[i] for i in group) + self._policy.settings.max_response_tokens
            count = max(1, GENERATION_TOKENS // longest)
            for first in range(0, len(group), count):
                yield group[first : first + count]

    @torch.inference_mode()
    def _generate(
        self, prompts: list[list[int]], rngs: Sequence[np.random.Generator]
    ) -> list[Response]:
        policy, device = self._policy, self._policy.device
        width = max(map(len, prompts))
        ids = torch.zeros(len(prompts), width, dtype=torch.long)
        mask = torch.zeros(len(prompts), width, dtype=torch.long)
        for row, prompt in enumerate(prompts):
            ids[row, width - len(prompt) :] = torch.tensor(prompt)
            mask[row, width - len(prompt) :] = 1
        mask = mask.to(device)
        positions = (mask.cumsum(1) - 1).clamp(min=0)
        out = policy.model(
            input_ids=ids.to(device),
            attention_mask=mask,
            position_ids=positions,
            use_cache=True,
            logits_to_keep=1,
        )
        cache, last = getattr(out, "past_key_values", None), positions[:, -1:]
        if cache is None:
            raise InputError(
                f"models of type {policy.model.config.model_type!r} return no past_key_values, "
                "without which every token would cost a whole prompt; choose another model"
            )

        def advance(tokens: torch.Tensor, alive: torch.Tensor) -> torch.Tensor:
            nonlocal mask, last
            mask = torch.cat([mask, mask.new_ones(len(mask), 1)], dim=1)
            last = last + 1
            step = policy.model(
                input_ids=tokens[:, None],
                attention_mask=mask,
                position_ids=last,
                past_key_values=cache,
                use_cache=True,
            )
            return step.logits[:, -1]

        said = decode(
            out.logits[:, -1],
            advance,
            rngs,
            limits=[policy.settings.max_response_tokens] * len(prompts),
            end_ids=policy.chat.end_ids,
            temperature=self._temperature,
            greedy=self._greedy,
        )
        return [self._response(Tokens(p), s) for p, s in zip(prompts, said, strict=True)]
