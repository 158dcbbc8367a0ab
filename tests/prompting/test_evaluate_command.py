"""`proxmo evaluate` with an endpoint, from the command line to the JSON."""

import json
import re

import pytest
from chat_server import refused, said

import proxmo
from proxmo import cli
from proxmo.envs import registry
from proxmo.envs.base import Task
from proxmo.envs.noise import quiet
from proxmo.envs.spec import EnvSpec

EXPERTS = {"alfworld": "react", "webshop": "zero-shot"}


def expert_answer(env, messages):
    """What the environment's expert does next in a dialogue, as a thinking model would say it."""
    expert = registry.get(env).make_expert(0)
    action = ""
    for number, message in enumerate(m for m in messages if m["role"] == "user"):
        situation = message["content"].rpartition("Observation: ")[2]
        observation, _, listed = situation.partition("\nAdmissible actions: ")
        observation = quiet(observation)
        if number == 0:
            expert.reset(observation)
        action = expert.act(observation, re.findall(r"'([^']*)'", listed))
    return f"<think>The expert knows.</think><action>{action}</action>"


@pytest.fixture
def evaluate(monkeypatch, tmp_path, capsys):
    monkeypatch.delenv("ALFWORLD_DATA", raising=False)
    monkeypatch.delenv("WEBSHOP_DATA", raising=False)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    out = tmp_path / "result.json"

    def run(server, *options):
        code = cli.main(
            ["evaluate", "--endpoint", server.url, "--model", "tiny", "--out", str(out), *options]
        )
        told = capsys.readouterr()
        return code, told.out + told.err, json.loads(out.read_text()) if out.is_file() else {}

    return run


@pytest.mark.parametrize(("env", "method"), EXPERTS.items())
def test_an_expert_behind_an_endpoint_solves_every_task(serve, evaluate, env, method):
    server = serve(lambda request: expert_answer(env, request.payload["messages"]))
    code, told, result = evaluate(
        server, "--env", env, "--method", method, "--tasks", "3", "--context", "conversation"
    )
    assert code == 0, told
    asked = len(server.requests)
    assert result["overall"]["success"] == 1.0
    assert result["overall"]["invalid"] == 0.0
    assert result["overall"]["steps"] * 3 == pytest.approx(asked)
    assert result["usage"] == {
        "requests": asked,
        "prompt_tokens": 10 * asked,
        "completion_tokens": 3 * asked,
        "uncounted": 0,
    }
    assert f"tokens: {10 * asked:,} read, {3 * asked:,} written, in {asked:,} requests" in told
    assert (result["method"], result["model"]) == (method, "tiny")
    first = server.requests[0].payload["messages"][0]["content"]
    assert ("Example 2" in first) == (method == "react")


def test_reflexion_behind_an_endpoint_learns_from_its_lesson(serve, evaluate):
    def answer(request):
        messages = request.payload["messages"]
        if "The attempt:" in messages[0]["content"]:
            return said("Ask the expert.", prompt=100, completion=5)
        if "Ask the expert." in messages[0]["content"]:
            return expert_answer("alfworld", messages)
        return "<think>hm</think><action>look</action>"

    server = serve(answer)
    code, told, result = evaluate(
        server, "--method", "reflexion", "--trials", "3", "--tasks", "2", "--max-steps", "30",
        "--context", "conversation",
    )  # fmt: skip
    assert code == 0, told
    assert result["trials"] == [
        {"played": 2, "solved": 0, "success": 0.0},
        {"played": 2, "solved": 2, "success": 1.0},
    ]
    assert result["overall"]["success"] == 1.0
    assert "success by trial" in told
    others = len(server.requests) - 2
    assert result["usage"]["prompt_tokens"] == 2 * 100 + others * 10


def test_nonsense_costs_turns_and_not_the_run(serve, evaluate):
    code, told, result = evaluate(
        serve(lambda _: "I would rather not."), "--tasks", "2", "--max-steps", "3"
    )
    assert code == 0, told
    assert (result["overall"]["success"], result["overall"]["invalid"]) == (0.0, 1.0)


@pytest.mark.parametrize("env", EXPERTS)
def test_an_empty_answer_is_an_invalid_step(serve, evaluate, env):
    server = serve(lambda _: said(""))
    code, told, result = evaluate(server, "--env", env, "--tasks", "1", "--max-steps", "2")
    assert code == 0, told
    assert (result["overall"]["invalid"], result["overall"]["errors"]) == (1.0, 0)


@pytest.mark.parametrize(
    ("reply", "code", "named"),
    [
        (refused(401, "wrong key sk-secret"), 2, "$OPENAI_API_KEY was refused"),
        (refused(404, "no model tiny"), 2, "knows no model 'tiny'"),
        (refused(500, "oops"), 1, "gave no answer in 1 tries (500 oops)"),
    ],
)
def test_a_server_that_refuses_or_fails_ends_the_run_with_a_sentence(
    serve, evaluate, reply, code, named
):
    ended, told, result = evaluate(serve(lambda _: reply), "--tasks", "2", "--retries", "0")
    assert (ended, result) == (code, {})
    assert named in told
    assert "sk-secret" not in told
    assert "Traceback" not in told


def test_an_evaluation_that_was_broken_off_asks_for_nothing_twice(serve, evaluate, tmp_path):
    def answer(request):
        if len(server.requests) > limit:
            return refused(401, "the credit is used up")
        return expert_answer("webshop", request.payload["messages"])

    options = ["--env", "webshop", "--tasks", "3", "--context", "conversation"]
    limit = 10**6
    server = serve(answer)
    _, _, unbroken = evaluate(server, *options)
    whole = len(server.requests)
    (tmp_path / "result.json").unlink()
    server.requests.clear()
    limit = 7
    code, told, result = evaluate(server, *options)
    assert (code, result) == (2, {})
    kept = tmp_path / "result.json.answers.jsonl"
    answers = len(kept.read_text().splitlines())
    assert 0 < answers <= limit
    assert f"{answers} answers are kept in {kept}" in told
    with kept.open("a") as stream:
        stream.write('{"asked": "tor')  # killed while it wrote
    server.requests.clear()
    limit = 10**6
    code, told, result = evaluate(server, *options)
    assert code == 0, told
    assert len(server.requests) == whole - answers
    assert result == unbroken
    assert not kept.exists()


def test_a_record_of_answers_that_is_none_is_refused(serve, evaluate, tmp_path):
    (tmp_path / "result.json.answers.jsonl").write_text("[1, 2]\n")
    code, told, _ = evaluate(serve(lambda _: "fine"), "--tasks", "1")
    assert code == 2
    assert "result.json.answers.jsonl is no answer on record" in told


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["--method", "react", "--trials", "2"], "--trials 2 belongs to --method reflexion"),
        (["--examples", "mine.toml"], "--examples mine.toml"),
        (["--method", "react", "--examples", "none.toml"], "none.toml does not exist"),
        (["--gguf-file", "x.gguf"], "--gguf-file x.gguf is for a model that runs here"),
        (["--template", "a=1"], "--template a is for a model that runs here"),
        (["--concurrency", "0"], "--concurrency 0"),
        (["--method", "react", "--prompt", "compact"], "needs thoughts"),
    ],
)
def test_options_that_do_not_go_together_are_named(serve, evaluate, options, named):
    server = serve(lambda _: "fine")
    code, told, _ = evaluate(server, "--tasks", "1", *options)
    assert code == 2
    assert named in told
    assert server.requests == []


def test_a_result_says_what_its_numbers_depend_on(serve, evaluate):
    _, told, result = evaluate(
        serve(lambda _: "I would rather not."), "--tasks", "1", "--max-steps", "3"
    )
    assert result["proxmo"] == proxmo.__version__
    assert result["data_fingerprint"] == registry.get(registry.DEFAULT).fingerprint(None)
    known = {"context": "window", "prompt": "think", "history": 2, "max_steps": 3}
    known |= {"max_prompt_tokens": None, "max_response_tokens": 512, "failed_episodes": "drop"}
    assert {name: result[name] for name in known} == known
    assert (result["overall"]["errors"], result["first_error"]) == (0, None)
    assert "broken off" not in told


@pytest.mark.parametrize("env", EXPERTS)
def test_noise_is_in_the_prompts_the_title_and_the_result(serve, evaluate, env):
    server = serve(lambda request: expert_answer(env, request.payload["messages"]))
    conversation = ("--context", "conversation")
    code, told, result = evaluate(
        server, "--env", env, "--tasks", "2", "--noise", "1", *conversation
    )
    assert code == 0, told
    assert (result["noise"], result["overall"]["success"]) == (1.0, 1.0)
    assert ", noise 1," in " ".join(told.split())
    shown = [
        message["content"]
        for request in server.requests
        for message in request.payload["messages"]
        if message["role"] == "user"
    ]
    observations = [text.partition("\nAdmissible actions: ")[0] for text in shown]
    assert all(quiet(text) != text for text in observations)
    assert len(set(observations)) == len(server.requests)


def test_answers_for_other_settings_are_not_gone_on_with(serve, evaluate, tmp_path):
    def answer(request):
        if len(server.requests) > 2:
            return refused(401, "the credit is used up")
        return "look"

    server = serve(answer)
    assert evaluate(server, "--tasks", "2", "--max-steps", "3")[0] == 2
    code, told, _ = evaluate(server, "--tasks", "2", "--max-steps", "4")
    assert code == 2
    assert "were given with max_steps 3, and this evaluation has 4" in told
    file = tmp_path / "result.json.answers.settings.json"
    file.write_text("[")
    code, told, _ = evaluate(server, "--tasks", "2", "--max-steps", "3")
    assert code == 2
    assert f"{file} is damaged" in told


class Breaking:
    """Breaks where its task says so."""

    def __init__(self, max_steps=2):
        self.max_steps = max_steps

    def reset(self, *, seed=None, options=None):
        if (options or {})["broken"]:
            raise OSError("no such [bold]room[/] \x1b[31m")
        return "A hall.", {"admissible_actions": [], "goal": "wait"}

    def step(self, action):
        return "A hall.", 1.0, True, False, {"success": True}

    def close(self):
        pass


def load_breaking(split, path, seed, count):
    return [Task(f"t{n}", "[/]kind", {"broken": split == "all" or n == 1}) for n in range(4)]


BREAKING = EnvSpec("breaking", f"{__name__}:Breaking", f"{__name__}:load_breaking")


@pytest.mark.parametrize(("mode", "success"), [("drop", 1.0), ("fail", 0.75)])
def test_episodes_that_the_environment_broke_off_are_counted_and_told_of(
    serve, evaluate, mode, success
):
    server = serve(lambda _: "<think>so</think><action>wait</action>")
    code, told, result = evaluate(
        server, "--env", f"{__name__}:BREAKING", "--failed-episodes", mode
    )
    assert code == 0, told
    assert (result["overall"]["success"], result["overall"]["errors"]) == (success, 1)
    assert result["first_error"] == "OSError: no such [bold]room[/] \ufffd[31m"
    assert "broken off by the environment: 1;" in told
    assert "OSError: no such [bold]room[/]" in told
    assert "[/]kind" in told
    assert "\x1b" not in told


def test_an_evaluation_whose_episodes_all_broke_off_has_failed(serve, evaluate):
    server = serve(lambda _: "wait")
    code, told, result = evaluate(server, "--env", f"{__name__}:BREAKING", "--split", "all")
    assert (code, result) == (1, {})
    assert "broke off all 4 episodes" in told
    assert "OSError: no such [bold]room[/]" in told


@pytest.mark.parametrize(("options", "listed"), [([], True), (["--list-actions", "false"], False)])
def test_actions_are_listed_unless_told_not_to_and_the_result_says_so(
    serve, evaluate, options, listed
):
    server = serve(lambda request: "<think>a thought</think><action>look</action>")
    code, told, result = evaluate(server, "--tasks", "1", "--max-steps", "1", *options)
    assert code == 0, told
    prompt = server.requests[0].payload["messages"][0]["content"]
    assert ("Admissible actions" in prompt) == result["actions_listed"] == listed
