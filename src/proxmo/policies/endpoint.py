"""A model behind any server that speaks OpenAI's chat-completions protocol, as a policy."""

from __future__ import annotations

import asyncio
import json
import math
import random
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote, quote_plus

import httpx
import numpy as np

from proxmo.errors import InputError, ProxmoError
from proxmo.policies.base import Response, Usage
from proxmo.policies.journal import Journal
from proxmo.prompts import Prompter
from proxmo.text import clean, shown
from proxmo.types import Context

KEY_VARIABLE = "OPENAI_API_KEY"

_PATH = "/chat/completions"
_LAST_PORT = 65535
_LONGEST_BACKOFF = 60.0
_LONGEST_WAIT = 600.0
"""Seconds; a server that asks for more, such as for a day's quota, ends the run instead."""
_LONGEST_ANSWER = 4 << 20
"""Bytes of an answer that are read; one that goes on is no answer."""
_TOKEN_CHARACTERS = 64
"""Most characters of a response for each token that it may have: tokenizers have few longer ones,
and a server that sends more has not kept to the limit."""
_MOST_TOKENS = 1 << 40
"""Of an answer; a server that counts more does not count."""
# Request Timeout, Conflict, Too Early, Too Many Requests: of the client's errors, the passing ones.
_PASSING = frozenset({408, 409, 425, 429})
# How OpenAI and vLLM, and llama.cpp, say that a prompt is longer than the model reads.
_FULL = ("context length", "context_length", "context size")

Message = dict[str, str]
Payload = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a model is served and how to ask it."""

    url: str
    """Base address, such as `https://api.openai.com/v1` or `http://localhost:8000/v1`."""
    model: str
    """The server's name for the model."""
    key_variable: str = KEY_VARIABLE
    """Environment variable of the key; unset, requests carry none, as local servers like it."""
    concurrency: int = 8
    """Most requests under way at once, >= 1."""
    timeout: float = 120.0
    """Seconds that a request may take, from its first byte to the last of its answer."""
    retries: int = 6
    """How often a request is repeated that failed for a passing reason, >= 0."""
    backoff: float = 1.0
    """Seconds before the first repetition, doubled for each further one, with jitter."""
    max_response_tokens: int = 512


class EndpointPolicy:
    """Asks a server for every response; nothing of the model is known but its text.

    A passing failure (429, 5xx, a timeout, a broken connection) is retried with exponential
    backoff, or after the time the server asks for; when it does not pass, `ProxmoError`: an
    outage is not the model's failure. An answer without a text (no JSON, no choice, null) is
    retried too, and then is an empty response, which no environment accepts; where the server
    never gave another, as a login page does not, `ProxmoError`. What another try cannot mend (a
    refused key, an unknown model) raises `InputError`.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        context: Context = "window",
        prompter: Prompter | None = None,
        journal: Journal | None = None,
        environment: Mapping[str, str],
    ) -> None:
        """`environment` is where the key is looked up: `os.environ`.

        What `journal` has an answer to is not asked; other answers are put there.
        """
        self.endpoint = replace(endpoint, url=_base_address(endpoint.url))
        self.context: Context = context
        self.prompter = prompter or Prompter("think")
        self._journal = journal
        key = environment.get(endpoint.key_variable, "").strip()
        if not (key.isascii() and key.isprintable()):
            raise InputError(
                f"the key in ${endpoint.key_variable} has characters that no header can carry; "
                "copy it again"
            )
        self._key = key
        self._client = httpx.AsyncClient(
            # Not compressed: a few bytes could then become any number of them.
            headers={"Accept-Encoding": "identity"}
            | ({"Authorization": f"Bearer {key}"} if key else {}),
            timeout=None,  # `asyncio.timeout` bounds a request as a whole
            limits=httpx.Limits(max_keepalive_connections=endpoint.concurrency),
        )
        self._turns = asyncio.Semaphore(endpoint.concurrency)
        # A thread of its own: whoever calls may have an event loop already, as notebooks do.
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=_serve, args=[self._loop], daemon=True).start()
        self._limit = "max_tokens"
        """The server's name for the longest response."""
        self._seeded = True
        """Whether the server takes a seed."""
        self._usable = False
        """Whether any of its answers could be read."""
        self._unread = ""
        """What the last one was that could not."""

    def open(
        self, rngs: Sequence[np.random.Generator], *, temperature: float, greedy: bool
    ) -> _Episodes:
        """Begin `len(rngs)` episodes; each request's seed comes from its own generator."""
        return _Episodes(self, rngs, temperature=0.0 if greedy else temperature)

    def close(self) -> None:
        """Close the connections; the policy cannot be asked any more."""
        asyncio.run_coroutine_threadsafe(self._client.aclose(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)

    def ask(
        self, dialogues: Sequence[Sequence[Message]], seeds: Sequence[int], temperature: float
    ) -> list[Response]:
        """The answer to each dialogue, as many at once as the endpoint may be asked."""
        asked = asyncio.run_coroutine_threadsafe(
            self._ask_all(dialogues, seeds, temperature), self._loop
        )
        try:
            return asked.result()
        finally:  # interrupted: nobody waits for the rest
            asked.cancel()

    async def _ask_all(
        self, dialogues: Sequence[Sequence[Message]], seeds: Sequence[int], temperature: float
    ) -> list[Response]:
        try:
            async with asyncio.TaskGroup() as group:  # the first that fails ends the others
                tasks = [
                    group.create_task(self._ask_once(messages, seed, temperature))
                    for messages, seed in zip(dialogues, seeds, strict=True)
                ]
        except ExceptionGroup as failed:
            first: Exception = failed
            while isinstance(first, ExceptionGroup):  # libraries below have groups of their own
                first = first.exceptions[0]
            raise first from None
        if tasks and not self._usable:
            raise ProxmoError(
                f"endpoint {self.endpoint.url} answers, but never with a text ({self._unread}); "
                "check that it is a server of chat completions, and that --endpoint ends where "
                "/chat/completions begins"
            )
        return [task.result() for task in tasks]

    async def _ask_once(
        self, messages: Sequence[Message], seed: int, temperature: float
    ) -> Response:
        """The answer on record, else the server's, which then is.

        An empty one, which is not put on record, where the server gives none that can be read:
        another day it may be well again.
        """
        asked = {
            "url": self.endpoint.url,
            "model": self.endpoint.model,
            "max_response_tokens": self.endpoint.max_response_tokens,
            "messages": list(messages),
            "seed": seed,
            "temperature": temperature,
        }
        found = None if self._journal is None else self._journal.find(asked)
        outcome = found or await self._ask(messages, seed, temperature)
        if isinstance(outcome, _Again):
            self._unread = outcome.what
            return Response("", usage=outcome.spent)
        self._usable = True
        if self._journal is not None and found is None:
            self._journal.keep(asked, outcome)
        return outcome

    async def _ask(
        self, messages: Sequence[Message], seed: int, temperature: float
    ) -> Response | _Again:
        """The server's answer, or what came instead of one that can be read, again and again."""
        jitter = random.Random(seed)
        spent = Usage()
        async with self._turns:
            outcome = await self._try(messages, seed, temperature)
            for attempt in range(self.endpoint.retries):
                if isinstance(outcome, Response):
                    break
                spent += outcome.spent
                delay = retry_delay(attempt, outcome.wait, self.endpoint.backoff, jitter.random())
                await asyncio.sleep(delay)
                # Another seed after nonsense: with the same one it would come again.
                outcome = await self._try(messages, seed + spent.requests, temperature)
        if isinstance(outcome, Response):
            return replace(outcome, usage=spent + (outcome.usage or Usage()))
        if outcome.answered:
            return replace(outcome, spent=spent + outcome.spent)
        raise ProxmoError(
            f"endpoint {self.endpoint.url} gave no answer in {self.endpoint.retries + 1} tries "
            f"({outcome.what}); see whether it is up, and allow fewer requests at once "
            "(--concurrency) or more time (--request-timeout, --retries)"
        )

    async def _try(
        self, messages: Sequence[Message], seed: int, temperature: float
    ) -> Response | _Again:
        """One request, repeated at once where the server does not know a parameter."""
        limit, seeded = self._limit, self._seeded
        payload: Payload = {
            "model": self.endpoint.model,
            "messages": list(messages),
            "temperature": temperature,
            limit: self.endpoint.max_response_tokens,
        } | ({"seed": seed} if seeded else {})
        try:
            async with asyncio.timeout(self.endpoint.timeout):
                reply = await self._post(payload)
        except TimeoutError:
            return _Again(f"no answer within {self.endpoint.timeout:g} s")
        except (httpx.UnsupportedProtocol, httpx.InvalidURL) as error:
            raise InputError(self._hidden(f"--endpoint {self.endpoint.url}: {error}")) from None
        except httpx.HTTPError as error:
            # Such an error may quote what the server sent.
            return _Again(self._hidden(f"{type(error).__name__}: {error}".rstrip(": ")))
        if reply.status == httpx.codes.OK:
            return _read(reply, _TOKEN_CHARACTERS * self.endpoint.max_response_tokens)
        said = self._message(reply)
        if reply.status in _PASSING or reply.status >= 500:
            waits = _asked_to_wait(reply.headers.get("retry-after", ""), datetime.now(UTC))
            return _Again(f"{reply.status} {said}", waits)
        if reply.status in (400, 413, 422):
            if any(words in said.lower() for words in _FULL):
                return Response("", stop="full")
            # Newer models of OpenAI name the limit so; some servers take no seed.
            if limit == "max_tokens" and "max_completion_tokens" in said:
                self._limit = "max_completion_tokens"
                return await self._try(messages, seed, temperature)
            if seeded and "seed" in said:
                self._seeded = False
                return await self._try(messages, seed, temperature)
        raise InputError(self._refusal(reply.status, said))

    async def _post(self, payload: Payload) -> _Reply:
        """The server's answer, read as far as an answer goes."""
        async with self._client.stream(
            "POST",
            self.endpoint.url + _PATH,
            # As ASCII: half a character in a text is then the server's to judge.
            content=json.dumps(payload),
            headers={"Content-Type": "application/json"},
        ) as reply:
            encoding = reply.headers.get("content-encoding", "identity").lower()
            if encoding != "identity":
                return _Reply(reply, trouble="an answer in an encoding that was not asked for")
            body = bytearray()
            async for chunk in reply.aiter_raw():
                body += chunk
                if len(body) > _LONGEST_ANSWER:
                    most = f"{_LONGEST_ANSWER >> 20} MB"
                    return _Reply(reply, trouble=f"an answer of more than {most}")
            return _Reply(reply, bytes(body))

    def _refusal(self, status: int, said: str) -> str:
        endpoint = self.endpoint
        answer = f"endpoint {endpoint.url} answered {status} ({said})"
        if status in (401, 403):
            way_out = "was refused; set it to a valid one" if self._key else "is not set; set it"
            return f"{answer}: the key in ${endpoint.key_variable} {way_out}"
        if status == 404:
            return (
                f"{answer}: it knows no model {endpoint.model!r}, or this is not its address; "
                "check --model, and that --endpoint ends where /chat/completions begins, "
                "such as http://localhost:8000/v1"
            )
        if 300 <= status < 400:
            return f"{answer}: it is somewhere else; give --endpoint its new address"
        return f"{answer} to a request for model {endpoint.model!r}; check --model and its options"

    def _message(self, reply: _Reply) -> str:
        """What the server says about an error, on one line, without the key."""
        if "location" in reply.headers:
            return self._hidden(f"go to {reply.headers['location']}")
        try:
            body = json.loads(reply.body)
            error = body.get("error", body)
            said = error.get("message", error) if isinstance(error, dict) else error
            if isinstance(error, dict) and error.get("code"):
                said = f"{said} [{error['code']}]"
            said = str(said)
        except (ValueError, AttributeError, RecursionError):
            said = reply.trouble or reply.body.decode(errors="replace")
        return self._hidden(said) or self._hidden(reply.http.reason_phrase)

    def _hidden(self, text: str) -> str:
        """What comes from outside, on one line that a terminal may be shown, without the key."""
        if self._key:
            for form in (self._key, quote(self._key, safe=""), quote_plus(self._key)):
                text = text.replace(form, "***")
        return shown(" ".join(text.split()))[:500]


@dataclass(frozen=True, slots=True)
class _Reply:
    """What a server answered."""

    http: httpx.Response
    body: bytes = b""
    trouble: str = ""
    """Why the body was not read, where it was not."""

    @property
    def status(self) -> int:
        return self.http.status_code

    @property
    def headers(self) -> Mapping[str, str]:
        return self.http.headers


_NOTHING = Usage()


@dataclass(frozen=True, slots=True)
class _Again:
    """A try that gave no response."""

    what: str
    wait: float | None = None
    """Seconds that the server asked for."""
    answered: bool = False
    """The server answered, with something that is no response."""
    spent: Usage = _NOTHING


class _Episodes:
    """Episodes whose turns are asked for side by side."""

    def __init__(
        self, policy: EndpointPolicy, rngs: Sequence[np.random.Generator], *, temperature: float
    ) -> None:
        self._policy = policy
        self._rngs = rngs
        self._temperature = temperature
        self._said: list[tuple[Message, ...]] = [()] * len(rngs)
        """Each episode's messages so far, where the policy sees the conversation."""

    def respond(self, rows: Sequence[int], prompts: Sequence[str]) -> list[Response]:
        dialogues = [
            (*self._said[row], {"role": "user", "content": prompt})
            for row, prompt in zip(rows, prompts, strict=True)
        ]
        seeds = [int(self._rngs[row].integers(2**31)) for row in rows]
        responses = self._policy.ask(dialogues, seeds, self._temperature)
        if self._policy.context == "conversation":
            for row, messages, response in zip(rows, dialogues, responses, strict=True):
                self._said[row] = (*messages, {"role": "assistant", "content": response.text})
        return responses


def _serve(loop: asyncio.AbstractEventLoop) -> None:
    loop.run_forever()
    loop.close()


def retry_delay(attempt: int, asked: float | None, backoff: float, jitter: float) -> float:
    """Seconds to wait after try number `attempt` (from 0) failed.

    `backoff` doubled each time, at most a minute, of which `jitter` in [0, 1) takes away up to
    a half, so that requests that failed together do not come back together; at least what the
    server asked for. Raises `ProxmoError` when it asks for more than ten minutes.
    """
    if asked is not None and asked > _LONGEST_WAIT:
        raise ProxmoError(
            f"the endpoint asks to wait {asked:.0f} s, such as for a quota; run again then"
        )
    delay = min(_LONGEST_BACKOFF, backoff * 2.0**attempt) * (1.0 - jitter / 2.0)
    return max(delay, asked or 0.0)


def _asked_to_wait(header: str, now: datetime) -> float | None:
    """Seconds of a Retry-After header, which holds seconds or a date (RFC 9110, 10.2.3)."""
    try:
        seconds = float(header)
    except ValueError:
        try:
            date = parsedate_to_datetime(header)
            seconds = (date.replace(tzinfo=date.tzinfo or UTC) - now).total_seconds()
        except (ValueError, OverflowError):  # no date, or of a year that there is not
            return None
    return max(0.0, seconds) if math.isfinite(seconds) else None


def _read(reply: _Reply, longest: int) -> Response | _Again:
    """The response in an answer of the server, or why there is none.

    `longest` is how many characters a text may have; what is over is cut off.
    """
    if reply.trouble:
        return _Again(reply.trouble, answered=True, spent=Usage(1, uncounted=1))
    try:
        body = json.loads(reply.body)
    except (ValueError, RecursionError):  # the second: it is nested thousands deep
        return _Again("an answer that is not JSON", answered=True, spent=Usage(1, uncounted=1))
    usage = _usage(body)
    try:
        choice = body["choices"][0]
        message, reason = choice["message"], choice.get("finish_reason")
        text = message["content"]
        thought = message.get("reasoning_content") or message.get("reasoning")
    except (LookupError, TypeError, AttributeError):
        return _Again("an answer without a choice", answered=True, spent=usage)
    if text is None and reason == "length":  # a reasoning model that did not get to an answer
        text = ""
    if not isinstance(text, str):
        return _Again("an answer without a text", answered=True, spent=usage)
    cut = reason == "length" or len(text) > longest
    text = clean(text[:longest])
    if isinstance(thought, str) and "<think>" not in text:
        # The server has cut out what the model wrote first, as vLLM's reasoning parsers do.
        text = f"<think>{clean(thought[:longest])}</think>{text}"
    return Response(text, stop="length" if cut else "end", usage=usage)


def _usage(body: Any) -> Usage:
    try:
        counted = body["usage"]
        read, written = int(counted["prompt_tokens"]), int(counted["completion_tokens"])
    except (LookupError, TypeError, ValueError, OverflowError):
        return Usage(1, uncounted=1)
    if not (0 <= read <= _MOST_TOKENS and 0 <= written <= _MOST_TOKENS):
        return Usage(1, uncounted=1)
    return Usage(1, read, written)


def _base_address(url: str) -> str:
    """`url` without its trailing parts; refused where no request could go there."""
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL:
        parsed = httpx.URL("")
    if parsed.userinfo:
        raise InputError("--endpoint holds a password; give the key in an environment variable")
    port = parsed.port or 0
    known = parsed.scheme in ("http", "https") and parsed.host and port <= _LAST_PORT
    if not known or parsed.query:
        raise InputError(
            f"--endpoint {url!r} is not an address; give one such as http://localhost:8000/v1"
        )
    return url.rstrip("/").removesuffix(_PATH)
