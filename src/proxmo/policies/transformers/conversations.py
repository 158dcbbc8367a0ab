"""Episodes that are one growing dialogue each."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from proxmo.policies.base import Response
from proxmo.policies.cache import SlotCache
from proxmo.policies.sampling import decode
from proxmo.policies.transformers.dialogue import PlayedEpisodes, Speaker, alike
from proxmo.tokens import Tokens
from proxmo.types import Step


class Conversations(PlayedEpisodes):
    """Dialogues that grow: each token goes through the model once, its keys and values stay."""

    def __init__(
        self,
        policy: Speaker,
        rngs: Sequence[np.random.Generator],
        *,
        temperature: float,
        greedy: bool,
    ) -> None:
        super().__init__(policy, rngs, temperature=temperature, greedy=greedy)
        self._live = list(range(len(rngs)))
        """Episode of each row of the cache."""
        self._cache = SlotCache(
            len(rngs),
            policy.model.config.get_text_config().num_hidden_layers,
            device=policy.device,
        )
        self._dialogues = [Tokens()] * len(rngs)
        """Each episode's tokens so far, read and said; the last one is not in the cache yet."""

    @torch.inference_mode()
    def recall(self, pasts: Sequence[Sequence[Step]]) -> None:
        """Let each row stand behind the turns of `pasts[row]`; to be called before any other.

        Rows that are beginnings of one dialogue share its reading: it goes through the model once.
        """
        said = [_dialogue(past) for past in pasts]
        whole, cover = _covers(said)
        if not whole:
            return
        policy = self._policy
        cache = SlotCache(
            len(whole), policy.model.config.get_text_config().num_hidden_layers, policy.device
        )
        ids, counts = _padded(whole, policy.device)
        positions, mask = cache.place(torch.arange(len(whole), device=policy.device), ids.shape[1])
        with policy.precision():
            policy.model(
                input_ids=ids,
                attention_mask=mask,
                position_ids=positions,
                past_key_values=cache,
                use_cache=True,
                logits_to_keep=1,
            )
        cache.advance(counts)
        cache.select(torch.tensor(cover, device=policy.device))
        held = [max(len(tokens) - 1, 0) for tokens in said]
        cache.lengths = torch.tensor(held, device=policy.device)
        self._cache, self._dialogues = cache, said

    def respond(self, rows: Sequence[int], prompts: Sequence[str]) -> list[Response]:
        """Answer `prompts[i]` in episode `rows[i]`."""
        asked = [self._turn(row, prompt) for row, prompt in zip(rows, prompts, strict=True)]
        room = [self._room(row, ids) for row, ids in zip(rows, asked, strict=True)]
        fits = [i for i in range(len(rows)) if room[i] >= 1]
        responses = [Response("", stop="full") for _ in rows]
        if not fits:
            return responses
        self._keep([rows[i] for i in fits])
        with self._policy.precision():
            answers = self._generate([asked[i] for i in fits], [room[i] for i in fits])
        for i, answer in zip(fits, answers, strict=True):
            responses[i] = answer
        return responses

    def _turn(self, row: int, prompt: str) -> list[int]:
        """Tokens of this turn's prompt; none where it is much too long and so not read."""
        if self._policy.chat.exceeds(prompt, self._policy.settings.max_prompt_tokens):
            return []
        so_far = self._dialogues[row]
        if not so_far:
            return self._policy.chat.opening(prompt)
        return self._policy.chat.following(prompt, so_far[-1])

    def _room(self, row: int, ids: list[int]) -> int:
        """Tokens left for the response to this turn."""
        if not ids:
            return 0
        settings = self._policy.settings
        held = len(self._dialogues[row])
        return min(settings.max_response_tokens, settings.max_prompt_tokens - held - len(ids))

    def _keep(self, rows: Sequence[int]) -> None:
        if list(rows) != self._live:
            where = {row: i for i, row in enumerate(self._live)}
            kept = torch.tensor([where[row] for row in rows], device=self._policy.device)
            self._cache.select(kept)
            self._live = list(rows)

    @torch.inference_mode()
    def _generate(self, turns: list[list[int]], limits: list[int]) -> list[Response]:
        policy, cache = self._policy, self._cache
        before = [self._dialogues[row] for row in self._live]
        fed = [[*so_far[-1:], *turn] for so_far, turn in zip(before, turns, strict=True)]

        def forward(rows: torch.Tensor, ids: torch.Tensor, counts: torch.Tensor) -> torch.Tensor:
            """Logits (rows, vocabulary) after the last of the `counts[i]` real tokens of row i."""
            positions, mask = cache.place(rows, ids.shape[1])
            columns, column = torch.unique(counts.clamp(min=1) - 1, return_inverse=True)
            out = policy.model(
                input_ids=ids,
                attention_mask=mask,
                position_ids=positions,
                past_key_values=cache,
                use_cache=True,
                logits_to_keep=columns,
            )
            cache.advance(counts)
            return out.logits[torch.arange(len(rows), device=rows.device), column]

        groups = [
            torch.tensor(group, device=policy.device)
            for group in alike([len(tokens) for tokens in fed])
        ]
        read = [
            (rows, forward(rows, *_padded([fed[row] for row in rows.tolist()], policy.device)))
            for rows in groups
        ]
        everyone = torch.arange(len(fed), device=policy.device)

        def advance(tokens: torch.Tensor, alive: torch.Tensor) -> torch.Tensor:
            if 2 * int(alive.sum()) > len(alive):  # a part of the cache would have to be copied
                return forward(everyone, tokens[:, None], alive.long())
            rows = everyone[alive]
            logits = forward(rows, tokens[rows, None], torch.ones_like(rows))
            spread = logits.new_zeros(len(alive), logits.shape[-1])
            spread[rows] = logits
            return spread

        order = torch.cat([rows for rows, _ in read]).argsort()
        said = decode(
            torch.cat([logits for _, logits in read])[order],
            advance,
            [self._rngs[row] for row in self._live],
            limits=limits,
            end_ids=policy.chat.end_ids,
            temperature=self._temperature,
            greedy=self._greedy,
        )
        prompts = [so_far.then(turn) for so_far, turn in zip(before, turns, strict=True)]
        for row, prompt, (ids, _) in zip(self._live, prompts, said, strict=True):
            self._dialogues[row] = prompt.then(ids)
        return [
            self._response(prompt, own, remembered=len(so_far))
            for prompt, own, so_far in zip(prompts, said, before, strict=True)
        ]


def _dialogue(past: Sequence[Step]) -> Tokens:
    """All tokens of recorded turns, read and said."""
    if not past:
        return Tokens()
    return Tokens(past[-1].prompt_ids).then(past[-1].response_ids)


def _covers(said: Sequence[Tokens]) -> tuple[list[tuple[int, ...]], list[int]]:
    """The dialogues that are not the beginning of another, and for each which one it begins."""
    tokens = [tuple(dialogue) for dialogue in said]
    whole: list[tuple[int, ...]] = []
    place: dict[tuple[int, ...], int] = {}
    # Backwards in order, a beginning comes right behind what it begins.
    for dialogue in sorted(set(tokens), reverse=True):
        if not whole or whole[-1][: len(dialogue)] != dialogue:
            whole.append(dialogue)
        place[dialogue] = len(whole) - 1
    if whole == [()]:
        return [], []
    return whole, [place[dialogue] for dialogue in tokens]


def _padded(
    sequences: Sequence[Sequence[int]], device: torch.device
) -> tuple[torch.Tensor, torch.Tensor]:
    """Token ids padded on the right (rows, tokens), and how many of each row are real (rows,)."""
    ids = torch.zeros(len(sequences), max(map(len, sequences)), dtype=torch.long)
    for line, tokens in zip(ids, sequences, strict=True):
        line[: len(tokens)] = torch.tensor(tokens)
    counts = torch.tensor([len(tokens) for tokens in sequences])
    return ids.to(device), counts.to(device)
