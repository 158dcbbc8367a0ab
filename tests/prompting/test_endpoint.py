"""The endpoint policy against a real server: what it asks, what it survives, what ends it."""

import json
import logging
import threading
from datetime import UTC, datetime

import numpy as np
import pytest
from chat_server import (
    BreakError,
    DripError,
    DropError,
    EndlessError,
    Reply,
    StallError,
    refused,
    said,
)

from proxmo.errors import InputError, ProxmoError
from proxmo.policies.base import Response, Usage
from proxmo.policies.endpoint import Endpoint, EndpointPolicy, _asked_to_wait, retry_delay
from proxmo.policies.journal import Journal
from proxmo.types import Context

KEY = "sk-very-secret-0123456789"


@pytest.fixture
def ask(serve):
    """Asks a server that answers as told; the responses and the requests it got."""
    policies = []

    def run(
        answer,
        *prompts,
        key=KEY,
        greedy=False,
        context: Context = "window",
        turns=1,
        **settings,
    ):
        server = serve(answer)
        given = {"timeout": 5.0, "retries": 2, "backoff": 0.001} | settings
        policy = EndpointPolicy(
            Endpoint(server.url, "some-model", **given),
            context=context,
            environment={"OPENAI_API_KEY": key},
        )
        policies.append(policy)
        prompts = prompts or ("Hello",)
        rngs = [np.random.default_rng(row) for row in range(len(prompts))]
        dialogue = policy.open(rngs, temperature=0.7, greedy=greedy)
        answers = [dialogue.respond(range(len(prompts)), prompts) for _ in range(turns)]
        return answers[-1], server.requests

    yield run
    for policy in policies:
        policy.close()


def failing(trouble, times, then="fine"):
    """Answers with trouble so many times, then with a text."""
    count = iter(range(times))

    def answer(request):
        if next(count, None) is None:
            return then
        if not isinstance(trouble, Reply):
            raise trouble
        return trouble

    return answer


def test_a_request_says_what_is_wanted_and_the_answer_is_counted(ask):
    [response], [request] = ask(lambda _: said("go east", prompt=21, completion=4), "Where to?")
    assert response == Response("go east", usage=Usage(1, 21, 4))
    assert request.path == "/v1/chat/completions"
    assert request.headers["Authorization"] == f"Bearer {KEY}"
    assert {**request.payload, "seed": None} == {
        "model": "some-model",
        "messages": [{"role": "user", "content": "Where to?"}],
        "temperature": 0.7,
        "max_tokens": 512,
        "seed": None,
    }


def test_each_episode_has_its_own_seed_and_keeps_it_when_asked_again(ask):
    _, first = ask(lambda _: "fine", "a", "b")
    _, again = ask(lambda _: "fine", "a", "b")
    seeds = [{r.payload["messages"][0]["content"]: r.payload["seed"] for r in first}]
    seeds += [{r.payload["messages"][0]["content"]: r.payload["seed"] for r in again}]
    assert seeds[0] == seeds[1]
    assert seeds[0]["a"] != seeds[0]["b"]


def test_greedy_is_temperature_zero(ask):
    _, [request] = ask(lambda _: "fine", greedy=True)
    assert request.payload["temperature"] == 0


def test_without_a_key_no_header_is_sent(ask):
    _, [request] = ask(lambda _: "fine", key="")
    assert "Authorization" not in request.headers


def test_a_conversation_is_told_whole_and_a_window_is_not(ask):
    _, asked = ask(lambda _: "I look.", context="conversation", turns=2)
    assert [m["role"] for m in asked[1].payload["messages"]] == ["user", "assistant", "user"]
    assert asked[1].payload["messages"][1]["content"] == "I look."
    _, asked = ask(lambda _: "I look.", context="window", turns=2)
    assert len(asked[1].payload["messages"]) == 1


def test_as_many_requests_at_once_as_allowed_and_no_more(ask):
    # Nobody passes the barrier before three are there, and then a fourth is waited for.
    barrier, lock, fourth = threading.Barrier(3, timeout=10), threading.Lock(), threading.Event()
    inside = 0

    def answer(request):
        nonlocal inside
        with lock:
            inside += 1
            if inside > 3:
                fourth.set()
        barrier.wait()
        fourth.wait(0.1)
        with lock:
            inside -= 1
        return request.payload["messages"][0]["content"].upper()

    prompts = [f"prompt {n}" for n in range(12)]
    responses, asked = ask(answer, *prompts, concurrency=3)
    assert [response.text for response in responses] == [p.upper() for p in prompts]
    assert len(asked) == 12
    assert not fourth.is_set()


@pytest.mark.parametrize(
    "trouble",
    [
        refused(429, "slow down"),
        refused(429, "slow down", Retry_After="0.01"),
        refused(500, "oops"),
        Reply(502, "<html>Bad Gateway</html>"),
        refused(503, "loading the model"),
        refused(408, "too slow"),
        DropError,
        BreakError,
    ],
)
def test_passing_trouble_is_retried(ask, trouble):
    [response], asked = ask(failing(trouble, 2))
    assert response.text == "fine"
    assert response.usage == Usage(1, 10, 3)
    assert len(asked) == 3


def test_a_stalled_request_is_given_up_and_asked_again(ask):
    [response], asked = ask(failing(StallError, 1), timeout=0.2)
    assert response.text == "fine"
    assert len(asked) == 2


@pytest.mark.parametrize(
    ("trouble", "named"),
    [
        (refused(429, "slow down"), "429 slow down"),
        (refused(500, "oops"), "500 oops"),
        (Reply(502, ""), "502 Bad Gateway"),
        (DropError, "RemoteProtocolError"),
        (StallError, r"no answer within 0\.2 s"),
        (DripError, r"no answer within 0\.2 s"),
    ],
)
def test_trouble_that_does_not_pass_is_an_outage_not_a_response(ask, trouble, named):
    with pytest.raises(ProxmoError, match=f"in 3 tries .{named}") as raised:
        ask(failing(trouble, 99), timeout=0.2)
    assert not isinstance(raised.value, InputError)


def test_a_server_that_is_not_there_is_an_outage(serve):
    server = serve(lambda _: "fine")
    server.close()
    policy = EndpointPolicy(Endpoint(server.url, "m", retries=1, backoff=0.001), environment={})
    dialogue = policy.open([np.random.default_rng(0)], temperature=1.0, greedy=False)
    with pytest.raises(ProxmoError, match="ConnectError"):
        dialogue.respond([0], ["Hello"])
    policy.close()


COUNTED = {"usage": {"prompt_tokens": 7, "completion_tokens": 1}}
NONSENSE = {
    "no JSON": "<html>hello</html>",
    "broken JSON": '{"choices": [',
    "nothing": "",
    "a list": "[]",
    "a number": "17",
    "no choices": json.dumps({"choices": []}),
    "null choices": json.dumps({"choices": None}),
    "a strange choice": json.dumps({"choices": [3]}),
    "no message": json.dumps({"choices": [{}]}),
    "null content": json.dumps({"choices": [{"message": {"content": None}}]}),
    "a number as content": json.dumps({"choices": [{"message": {"content": 4}}]}),
    "deep JSON": "[" * 100_000,
    "a number of 5,000 digits": "9" * 5000,
    "no choices, counted": json.dumps({"choices": [], **COUNTED}),
}


def well_once(reply):
    """Answers the first request, and then so."""
    answers = iter(["fine"])
    return lambda _: next(answers, reply)


@pytest.mark.parametrize("body", NONSENSE.values(), ids=NONSENSE)
def test_a_server_that_never_gives_a_text_ends_the_run(ask, body):
    with pytest.raises(ProxmoError, match=r"never with a text .*--endpoint ends where"):
        ask(lambda _: Reply(200, body))


def test_one_prompt_without_an_answer_does_not_end_the_others(ask):
    def answer(request):
        bad = request.payload["messages"][0]["content"] == "bad"
        return Reply(200, NONSENSE["null content"]) if bad else "fine"

    responses, _ = ask(answer, "bad", "good", concurrency=1)
    assert [response.text for response in responses] == ["", "fine"]


def test_what_could_not_be_read_is_asked_again_after_a_break_and_the_rest_is_not(serve, tmp_path):
    def answer(request):
        prompt = request.payload["messages"][0]["content"]
        return {"bad": Reply(200, NONSENSE["null content"]), "empty": said("")}.get(prompt, "fine")

    server = serve(answer)
    for asked in (["good", "empty", "bad"], ["bad"]):
        server.requests.clear()
        policy = EndpointPolicy(
            Endpoint(server.url, "m", retries=0),
            journal=Journal(tmp_path / "answers.jsonl"),
            environment={},
        )
        rngs = [np.random.default_rng(row) for row in range(3)]
        dialogue = policy.open(rngs, temperature=1.0, greedy=False)
        responses = dialogue.respond(range(3), ["good", "empty", "bad"])
        policy.close()
        assert [response.text for response in responses] == ["fine", "", ""]
        prompts = [request.payload["messages"][0]["content"] for request in server.requests]
        assert sorted(prompts) == sorted(asked)


@pytest.mark.parametrize("body", NONSENSE.values(), ids=NONSENSE)
def test_nonsense_is_an_invalid_response_after_retries(ask, body):
    [response], asked = ask(well_once(Reply(200, body)), turns=2)
    assert len(asked) == 4
    assert (response.text, response.stop) == ("", "end")
    counted = Usage(3, 21, 3) if "usage" in body else Usage(3, uncounted=3)
    assert response.usage == counted
    assert EndpointPolicy(Endpoint("http://x", "m"), environment={}).prompter.parse("") == (
        "",
        False,
    )


def test_what_nonsense_cost_is_counted_with_the_answer(ask):
    nonsense = Reply(200, NONSENSE["no choices, counted"])
    [response], _ = ask(failing(nonsense, 2))
    assert (response.text, response.usage) == ("fine", Usage(3, 7 + 7 + 10, 1 + 1 + 3))


def test_an_answer_cut_for_length_is_an_answer(ask):
    [cut], [_] = ask(lambda _: said("<think>so", finish="length"))
    assert (cut.text, cut.stop) == ("<think>so", "length")
    # A reasoning model that used up its tokens before it said anything.
    [none], [_] = ask(lambda _: said(None, finish="length"))
    assert (none.text, none.stop) == ("", "length")


def test_after_nonsense_another_seed_is_tried_and_after_trouble_the_same(ask):
    _, asked = ask(failing(Reply(200, "nonsense"), 1))
    assert asked[1].payload["seed"] == asked[0].payload["seed"] + 1
    _, asked = ask(failing(refused(500, "oops"), 1))
    assert asked[1].payload["seed"] == asked[0].payload["seed"]


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
def test_thoughts_that_the_server_cut_out_are_put_back(ask, field):
    def reply(content):
        message = {"role": "assistant", "content": content, field: "Dark."}
        return Reply(200, json.dumps({"choices": [{"message": message}]}))

    [cut], [_] = ask(lambda _: reply("<action>use lamp</action>"))
    assert cut.text == "<think>Dark.</think><action>use lamp</action>"
    [whole], [_] = ask(lambda _: reply("<think>No light.</think><action>look</action>"))
    assert whole.text == "<think>No light.</think><action>look</action>"


@pytest.mark.parametrize(
    ("reply", "named"),
    [
        (refused(401, f"Incorrect API key provided: {KEY}"), r"\$OPENAI_API_KEY was refused"),
        (refused(403, "no access"), r"\$OPENAI_API_KEY was refused"),
        (refused(404, "no such model", "model_not_found"), "knows no model 'some-model'"),
        (Reply(404, "<html>nothing here</html>"), "not its address"),
        (refused(400, "bad temperature"), "400 .bad temperature."),
        (Reply(302, "", {"Location": "http://elsewhere"}), "302 .go to http://elsewhere.*its new"),
    ],
)
def test_what_another_try_cannot_mend_ends_at_once_and_shows_no_key(ask, reply, named):
    asked = []
    with pytest.raises(InputError, match=named) as raised:
        ask(lambda request: asked.append(request) or reply)
    assert len(asked) == 1
    assert KEY not in str(raised.value)


def test_a_missing_key_is_named(ask):
    with pytest.raises(InputError, match=r"\$OPENAI_API_KEY is not set"):
        ask(lambda _: refused(401, "who are you?"), key="")


def test_one_refusal_ends_the_requests_beside_it(ask):
    def answer(request):
        if request.payload["messages"][0]["content"] == "b":
            return refused(401, "no")
        raise StallError

    with pytest.raises(InputError, match="401"):  # and not after 1000 seconds
        ask(answer, "a", "b", "c", timeout=1000.0)


@pytest.mark.parametrize(
    "message",
    [
        "This model's maximum context length is 4096 tokens. However, you requested 5000.",
        "the request exceeds the available context size",
    ],
)
def test_a_prompt_that_does_not_fit_ends_the_episode(ask, message):
    [response], [_] = ask(lambda _: refused(400, message))
    assert (response.text, response.stop) == ("", "full")


def test_parameters_that_a_server_does_not_know_are_left_out_from_then_on(ask):
    def answer(request):
        if "max_tokens" in request.payload:
            return refused(400, "Unsupported 'max_tokens'; use 'max_completion_tokens' instead.")
        if "seed" in request.payload:
            return refused(422, "extra fields not permitted: seed")
        return "fine"

    [response], asked = ask(answer, turns=2)
    assert response.text == "fine"
    assert len(asked) == 3 + 1
    assert asked[-1].payload["max_completion_tokens"] == 512


def test_the_key_is_never_logged(ask, caplog):
    caplog.set_level(logging.DEBUG)
    with pytest.raises(ProxmoError):
        ask(failing(refused(500, "oops"), 99))
    assert "127.0.0.1" in caplog.text
    assert KEY not in caplog.text


def test_a_key_that_no_header_can_carry_is_refused_unseen():
    with pytest.raises(InputError, match=r"\$MY_KEY") as raised:
        EndpointPolicy(
            Endpoint("http://x", "m", key_variable="MY_KEY"), environment={"MY_KEY": "sk-\n“1”"}
        )
    assert "sk-" not in str(raised.value)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "localhost:8000",
        "ftp://x/v1",
        "http://",
        "http://x:port",
        "http://x:99999",
        "http://x/v1?key=1",
    ],
)
def test_an_address_that_is_none_is_refused(url):
    with pytest.raises(InputError, match="is not an address"):
        EndpointPolicy(Endpoint(url, "m"), environment={})


def test_a_password_in_the_address_is_refused_unseen():
    with pytest.raises(InputError, match="password") as raised:
        EndpointPolicy(Endpoint("http://me:secret@x/v1", "m"), environment={})
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize("end", ["", "/", "/chat/completions", "/chat/completions/"])
def test_the_address_may_end_as_people_write_it(end):
    policy = EndpointPolicy(Endpoint(f"http://x/v1{end}", "m"), environment={})
    assert policy.endpoint.url == "http://x/v1"
    policy.close()


def test_waits_double_up_to_a_minute_and_jitter_takes_up_to_half():
    assert [retry_delay(n, None, 1.0, jitter=0.0) for n in (0, 1, 2, 9)] == [1, 2, 4, 60]
    assert retry_delay(2, None, 1.0, jitter=0.5) == 3.0


def test_the_server_may_ask_for_a_longer_wait_but_not_for_hours():
    assert retry_delay(0, 30.0, 1.0, jitter=0.0) == 30.0
    assert retry_delay(3, 1.0, 1.0, jitter=0.0) == 8.0
    with pytest.raises(ProxmoError, match="wait 3600 s"):
        retry_delay(0, 3600.0, 1.0, jitter=0.0)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7.0),
        ("0.5", 0.5),
        ("-3", 0.0),
        ("Tue, 24 Nov 2026 12:00:20 GMT", 20.0),
        ("Tue, 24 Nov 2026 11:00:00 GMT", 0.0),
        ("soon", None),
        ("", None),
        ("99999999999999999999", 1e20),
        ("nan", None),
        ("inf", None),
        ("1e999", None),
        ("Tue, 24 Nov 99999999999999999999 12:00:20 GMT", None),
        ("Tue, 24 Nov 0001 00:00:00 +2359", 0.0),
    ],
)
def test_retry_after_holds_seconds_or_a_date(header, seconds):
    now = datetime(2026, 11, 24, 12, 0, 0, tzinfo=UTC)
    assert _asked_to_wait(header, now) == seconds


@pytest.mark.parametrize("status", [200, 400, 500])
def test_an_answer_without_end_is_read_no_further_than_an_answer_goes(serve, status):
    resource = pytest.importorskip("resource")
    server = serve(failing(EndlessError, 99))
    policy = EndpointPolicy(Endpoint(server.url, "m", retries=0), environment={})
    dialogue = policy.open([np.random.default_rng(0)], temperature=1.0, greedy=False)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # KiB
    with pytest.raises(ProxmoError, match="more than 4 MB"):
        dialogue.respond([0], ["Hello"])
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 << 10
    policy.close()


def test_an_answer_that_is_compressed_against_the_request_is_not_unpacked(ask):
    reply = Reply(200, said("fine").body, {"Content_Encoding": "gzip"})
    with pytest.raises(ProxmoError, match="an encoding that was not asked for"):
        ask(lambda _: reply)
    _, [request] = ask(lambda _: "fine")
    assert request.headers["Accept-Encoding"] == "identity"


def test_a_response_longer_than_its_tokens_can_be_is_cut(ask):
    [response], [_] = ask(lambda _: "a" * 1_000_000)
    assert (len(response.text), response.stop) == (512 * 64, "length")


def test_half_characters_in_an_answer_are_replaced(ask):
    [response], _ = ask(lambda _: said("go \ud800 east\x1b[2J"), context="conversation", turns=2)
    assert response.text == "go \ufffd east\ufffd[2J"


@pytest.mark.parametrize("count", [float("inf"), float("nan"), -1, 1e300, 10**20, "many", [], None])
def test_a_count_that_is_none_leaves_the_request_uncounted(ask, count):
    [response], [_] = ask(lambda _: said("fine", prompt=count))
    assert (response.text, response.usage) == ("fine", Usage(1, uncounted=1))


HOSTILE = f"\x1b]0;title\x07 \u202e {KEY} \ud800"
ESCAPED = KEY.replace("-", "%2D")


@pytest.mark.parametrize(
    "reply",
    [
        refused(401, HOSTILE),
        refused(404, HOSTILE, HOSTILE),
        refused(400, HOSTILE),
        refused(500, HOSTILE),
        refused(429, HOSTILE, Retry_After="nan"),
        refused(429, HOSTILE, Retry_After="99999999999999999999"),
        Reply(400, "[" * 100_000),
        Reply(400, json.dumps({"error": {"message": [KEY]}})),
        Reply(400, json.dumps([KEY])),
        Reply(500, f"<html>{KEY}</html>"),
        Reply(302, "", {"Location": f"http://elsewhere/?key={KEY}"}),
        Reply(307, "", {"Location": f"http://[{KEY}"}),
        Reply(308, "", {"Location": f"{KEY}://elsewhere"}),
        Reply(301, "", {"Location": f"http://{KEY}:x@elsewhere/"}),
        Reply(500, "", {"Location": KEY}),
        Reply(200, "", {"Content_Encoding": KEY}),
        Reply(200, KEY),
    ],
)
def test_no_message_holds_the_key_or_what_a_terminal_would_obey(ask, reply):
    with pytest.raises(ProxmoError) as raised:
        ask(lambda _: reply)
    said = str(raised.value)
    assert KEY not in said
    assert said.isprintable()
    assert len(said) < 1000


def test_the_key_is_hidden_as_an_address_writes_it_too(ask):
    key = "sk+secret/0123=="
    for written in (key, "sk%2Bsecret%2F0123%3D%3D"):
        reply = Reply(302, "", {"Location": f"http://elsewhere/?key={written}"})
        with pytest.raises(InputError) as raised:
            ask(lambda _, reply=reply: reply, key=key)
        assert "secret" not in str(raised.value)


LINE = {"asked": "a" * 32, "text": "fine", "stop": "end", "usage": {"requests": 1}}


@pytest.mark.parametrize(
    "damaged",
    [
        "",
        "{",
        "[" * 100_000,
        "\0" * 10,
        "17",
        "null",
        json.dumps(LINE | {"text": 4}),
        json.dumps(LINE | {"asked": ["a"]}),
        json.dumps(LINE | {"stop": "evil"}),
        json.dumps(LINE | {"stop": {}}),
        json.dumps(LINE | {"usage": None}),
        json.dumps(LINE | {"usage": {"requests": "1"}}),
        json.dumps(LINE | {"usage": {"requests": -1}}),
        json.dumps(LINE | {"usage": {"price": 1}}),
        json.dumps({"asked": "a"}),
    ],
)
def test_a_damaged_line_of_the_journal_is_named(tmp_path, damaged):
    path = tmp_path / "answers.jsonl"
    path.write_text(f"{json.dumps(LINE)}\n{damaged}\n{json.dumps(LINE)}\n")
    with pytest.raises(InputError, match=r"line 2 of .*answers\.jsonl is no answer.*delete"):
        Journal(path)


@pytest.mark.parametrize("cut", range(1, 100, 7))
def test_a_journal_that_was_cut_anywhere_keeps_its_whole_lines(tmp_path, cut):
    path = tmp_path / "answers.jsonl"
    journal = Journal(path)
    for number in range(3):
        journal.keep({"n": number}, Response(f"é {number}", usage=Usage(1, 2, 3)))
    path.write_bytes(path.read_bytes()[:-cut])
    again = Journal(path)
    assert len(again) == 2
    again.keep({"n": 2}, Response("new", usage=Usage(1, 2, 3)))
    assert [Journal(path).find({"n": n}) for n in range(3)] == [
        Response("é 0", usage=Usage(1, 2, 3)),
        Response("é 1", usage=Usage(1, 2, 3)),
        Response("new", usage=Usage(1, 2, 3)),
    ]
