"""OpenEnv's real server and client on loopback, with generated ALFWorld games behind them."""

import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from openenv.core.generic_client import GenericEnvClient
from served import Served

from proxmo import cli
from proxmo.adapters.openenv import (
    RemoteEnv,
    RemoteSpec,
    ServedTasks,
    TextAction,
)
from proxmo.adapters.openenv import server as serving
from proxmo.adapters.openenv.listening import listen
from proxmo.adapters.openenv.server import ServedEnvironment
from proxmo.envs import registry
from proxmo.envs.base import TextEnv
from proxmo.envs.noise import quiet
from proxmo.episodes.play import rollout
from proxmo.errors import InputError, ProxmoError
from proxmo.policies.base import Response
from proxmo.prompts import Prompter
from proxmo.types import Context

ALFWORLD = registry.get("alfworld")
SESSIONS, STEPS = 16, 8


@pytest.fixture(scope="module")
def served():
    with Served(ALFWORLD, SESSIONS, STEPS) as server:
        yield server


@pytest.fixture
def small():
    with Served(ALFWORLD, 1, STEPS) as server:
        yield server


def play(env, task, seed):
    """All that a wandering agent sees of one episode."""
    rng = random.Random(seed)
    text, info = env.reset(seed=seed, options=task.options)
    seen, over = [(text, info["admissible_actions"], info["goal"])], False
    while not over:
        action = rng.choice([*info["admissible_actions"], "dance"])
        text, reward, terminated, truncated, info = env.step(action)
        flags = (reward, terminated, truncated, info["success"], info["valid"])
        seen.append((text, info["admissible_actions"], flags))
        over = terminated or truncated
    return seen


def test_sessions_at_once_see_what_local_environments_show(served):
    remote = RemoteSpec("kitchen", url=served.url)
    tasks, own = remote.load_tasks("train"), served.tasks.of("train")
    assert [task.id for task in tasks] == [own[i].id for i in range(6)]
    environments = [remote.make() for _ in range(SESSIONS)]
    started = threading.Barrier(SESSIONS)

    def episode(number):
        environments[number].reset(seed=number, options=tasks[0].options)
        started.wait(timeout=30)  # from here on, all of them are open
        return play(environments[number], tasks[number % 6], number)

    with ThreadPoolExecutor(SESSIONS) as pool:
        seen = list(pool.map(episode, range(SESSIONS)))
    for environment in environments:
        environment.close()
    for number, of_remote in enumerate(seen):
        local = ALFWORLD.make(max_steps=STEPS)
        assert of_remote == play(local, own[number % 6], number)
    assert len({str(one) for one in seen}) == SESSIONS


class Wanderer:
    """A policy for `rollout` that tries admissible actions."""

    context: Context = "window"
    prompter = Prompter("compact")

    def open(self, rngs, *, temperature, greedy):
        self.rngs = rngs
        return self

    def respond(self, rows, prompts):
        return [Response(str(self.rngs[row].choice(["look", "inventory"]))) for row in rows]


def test_a_remote_environment_is_one_of_the_registry_and_can_be_rolled_out(served):
    spec = RemoteSpec("far-kitchen", url=served.url)
    registry.register(spec)
    try:
        assert registry.get("far-kitchen") is spec
        tasks = spec.load_tasks("valid", count=2)
        env = spec.make()
        assert isinstance(env, TextEnv)
        played = rollout(Wanderer(), lambda: spec.make(max_steps=3), tasks, group_size=2, seed=1)
        local = rollout(
            Wanderer(),
            lambda: ALFWORLD.make(max_steps=3),
            [served.tasks.of("valid")[i] for i in range(2)],
            group_size=2,
            seed=1,
        )
    finally:
        registry._SPECS.pop("far-kitchen")
    assert [t.error for t in played] == [None] * 4
    assert [t.steps for t in played] == [t.steps for t in local]
    assert all(t.truncated and len(t.steps) == 3 for t in played)


def test_a_task_is_drawn_with_the_seed_where_none_is_named(served):
    env = RemoteEnv(served.url)
    drawn = [env.reset(seed=seed)[1]["task"] for seed in (1, 2, 3, 4, 5, 6, 1)]
    env.close()
    assert drawn[0] == drawn[-1]
    assert len(set(drawn)) > 1


def test_the_session_after_the_last_is_refused_and_a_dead_client_frees_its_own(small):
    dying = GenericEnvClient(base_url=small.url).sync()
    dying.reset()
    late = RemoteEnv(small.url)
    with pytest.raises(ProxmoError, match=r"at capacity: 1/1.*--max-sessions"):
        late.reset()
    # No goodbye: the connection is cut in the middle of the episode.
    connection = dying.async_client._ws
    assert connection is not None
    transport = connection.transport
    dying._ensure_loop().call_soon_threadsafe(transport.abort)
    text = ""
    for _ in range(100):
        try:
            text, _ = late.reset(seed=0)
            break
        except ProxmoError:
            time.sleep(0.05)
    assert "Your task is to" in text
    late.close()


def test_what_a_session_does_wrong_is_answered_and_the_session_goes_on(served):
    env = RemoteEnv(served.url)
    with pytest.raises(ProxmoError, match="no episode under way; reset first"):
        env.step("look")
    with pytest.raises(ProxmoError, match="split is 'test'; served are train, valid"):
        env.reset(options={"split": "test"})
    with pytest.raises(ProxmoError, match="index is 6; the split has tasks 0 to 5"):
        env.reset(options={"index": 6})
    malformed = RemoteEnv(served.url, act=lambda text: {"command": text})
    malformed.reset()
    with pytest.raises(ProxmoError, match="VALIDATION_ERROR"):
        malformed.step("look")
    foreign = RemoteEnv(served.url, read=lambda observation: ("", {"success": False}))
    assert foreign.reset() == ("", {"success": False})
    text, _ = env.reset()
    assert "Your task is to" in text
    for one in (env, malformed, foreign):
        one.close()


def test_a_split_that_is_not_served_is_answered_with_those_that_are(served):
    with pytest.raises(ProxmoError, match=r"answers 400: .*split is 'test'; served are train, val"):
        RemoteSpec("kitchen", url=served.url).load_tasks("test")


def test_tasks_are_listed_page_by_page(served, monkeypatch):
    monkeypatch.setattr(serving, "RANGE", 4)
    remote = RemoteSpec("kitchen", url=served.url)
    assert [task.options["index"] for task in remote.load_tasks("train")] == list(range(6))
    assert [task.options["index"] for task in remote.load_tasks("train", count=5)] == list(range(5))


def test_after_the_end_of_an_episode_comes_a_reset():
    env = ServedEnvironment(ALFWORLD, ServedTasks(ALFWORLD, count=1), max_steps=1)
    env.reset(index=0, episode_id="seven")
    assert env.step(TextAction(text="look")).done
    assert (env.state.episode_id, env.state.step_count) == ("seven", 1)
    with pytest.raises(InputError, match="reset first"):
        env.step(TextAction(text="look"))
    assert env.get_task("train", 0)["index"] == 0
    with pytest.raises(IndexError):
        env.get_task("train", 1)
    env.close()


def test_a_served_episode_has_the_noise_of_its_name():
    def said(seed, name):
        env = ServedEnvironment(ALFWORLD, ServedTasks(ALFWORLD, count=1), noise=1.0)
        texts = [env.reset(seed=seed, index=0, episode_id=name).text]
        texts += [env.step(TextAction(text="look")).text for _ in range(2)]
        env.close()
        return texts

    assert said(1, "seven") == said(1, "seven")
    different = [said(1, "seven"), said(2, "seven"), said(1, "eight"), said(1, None), said(1, None)]
    assert len({text for texts in different for text in texts}) == 15
    assert len({quiet(texts[0]) for texts in different}) == 1


def test_without_a_server_the_way_out_is_named():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, but nobody listens
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(ProxmoError, match="proxmo serve"):
            RemoteEnv(url).reset()
        with pytest.raises(ProxmoError, match="proxmo serve"):
            RemoteSpec("gone", url=url).load_tasks("train")


def test_a_port_in_use_is_bad_input(capsys):
    taken = listen("127.0.0.1", 0)
    port = taken.getsockname()[1]
    try:
        assert cli.main(["serve", "alfworld", "--count", "1", "--port", str(port)]) == cli.BAD_INPUT
    finally:
        taken.close()
    assert f"port {port} of 127.0.0.1 is in use" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["alfword"], "did you mean 'alfworld'"),
        (["--max-sessions", "0"], "--max-sessions 0"),
        (["--host", "no.such.host.invalid", "--count", "1"], "no.such.host.invalid"),
        (["--games", "/nowhere"], "/nowhere"),
    ],
)
def test_what_cannot_be_served_is_bad_input(options, says, capsys):
    assert cli.main(["serve", *options]) == cli.BAD_INPUT
    assert says in capsys.readouterr().err


def test_the_command_says_where_it_serves_and_ends_with_ctrl_c():
    server = subprocess.Popen(
        [sys.executable, "-m", "proxmo", "serve", "alfworld", "--count", "2", "--port", "0"],
        stdout=subprocess.PIPE,
        text=True,
        # A background process of a shell without job control ignores Ctrl-C; this one must not.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    try:
        assert server.stdout is not None
        said = server.stdout.readline()
        assert "http://127.0.0.1:" in said
        env = RemoteEnv(said.split(" at ")[1].split(" ")[0])
        assert "Your task is to" in env.reset()[0]
        server.send_signal(signal.SIGINT)
        assert server.wait(timeout=30) == 0
        env.close()
    finally:
        server.kill()


class Says:
    """A policy that says the same in every turn."""

    context: Context = "window"
    prompter = Prompter()

    def __init__(self, text):
        self.text = text

    def open(self, rngs, *, temperature, greedy):
        return self

    def respond(self, rows, prompts):
        return [Response(self.text) for _ in rows]


def test_a_served_environment_that_breaks_costs_its_episode_only():
    folder = str(Path(__file__).parent)
    paths = os.pathsep.join([folder, os.environ.get("PYTHONPATH", "")])
    server = subprocess.Popen(
        [
            *(sys.executable, "-m", "proxmo", "serve", "toy_env:TOY", "--count", "1"),
            *("--splits", "train", "breaking", "broken", "--port", "0"),
            *("--max-sessions", "6", "--max-steps", "3"),
        ],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": paths},
    )
    try:
        assert server.stdout is not None
        said = server.stdout.readline()
        spec = RemoteSpec("far-room", url=said.split(" at ")[1].split(" ")[0])
        tasks = [spec.load_tasks(split)[0] for split in ("train", "breaking", "broken")]
        for _ in range(2):  # six at once, again: those that broke have freed their places
            played = rollout(Says("gray"), spec.make, tasks, group_size=2, seed=1)
            whole, breaking, broken = played[:2], played[2:4], played[4:]
            assert [t.error for t in whole] == [None, None]
            assert all(len(t.steps) == 3 and not t.steps[0].valid for t in whole)
            for trajectory in breaking:
                assert trajectory.error is not None
                assert "the room fell down" in trajectory.error
                assert "\x1b" not in trajectory.error
                # The first turn is judged as it was, the second is not the policy's failure.
                assert [step.valid for step in trajectory.steps] == [False, True]
            assert all("no such room" in str(t.error) and len(t.steps) == 1 for t in broken)
    finally:
        server.kill()
        server.wait()


def test_a_served_webshop_is_shopped_in_end_to_end(tmp_path):
    server = subprocess.Popen(
        [
            *(sys.executable, "-m", "proxmo", "serve", "webshop"),
            *("--splits", "valid", "--count", "2", "--port", "0"),
        ],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PROXMO_CACHE": str(tmp_path)},
    )
    try:
        assert server.stdout is not None
        url = server.stdout.readline().split(" at ")[1].split(" ")[0]
        spec = RemoteSpec("far-shop", url=url)
        task, own = spec.load_tasks("valid")[0], registry.get("webshop").load_tasks("valid")[0]
        catalog = own.options["catalog"]
        goal = catalog.goals[own.options["goal"]]
        product = catalog.products[catalog.find(goal.asin)]
        options = [f"click[{value}]" for value in dict(goal.options).values()]
        actions = [f"search[{product.title}]", f"click[{goal.asin}]", *options, "click[Buy Now]"]

        def shop(env, options):
            text, info = env.reset(seed=0, options=options)
            seen = [(text, info["admissible_actions"], info["goal"])]
            for action in actions:
                text, reward, terminated, truncated, info = env.step(action)
                flags = (reward, terminated, truncated, info["success"], info["valid"])
                seen.append((text, info["admissible_actions"], (*flags, info["score"])))
            return seen

        remote = spec.make()
        seen = shop(remote, task.options)
        remote.close()
    finally:
        server.kill()
        server.wait()
    assert task.id == own.id
    assert seen == shop(registry.get("webshop").make(), own.options)
    assert seen[-1][2] == (10.0, True, False, True, True, 1.0)
