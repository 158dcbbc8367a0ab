"""`proxmo play`: driven through a pipe and through a pseudo terminal."""

import io
import os
import subprocess
import sys

import pytest
from rich.console import Console

from proxmo import cli
from proxmo.commands.play import completions, play
from proxmo.envs import registry
from proxmo.envs.base import Task
from proxmo.envs.spec import EnvSpec
from proxmo.errors import ProxmoError


class Countdown:
    """Accomplished by saying "go" twice."""

    def close(self):
        pass

    def reset(self, *, seed=None, options=None) -> tuple[str, dict]:
        self.left = (options or {}).get("left", 2)
        return "ready [bold]", self._info(True)

    def step(self, action):
        valid = action == "go"
        self.left -= valid
        over = self.left == 0
        return f"{self.left} left", 10.0 * over, over, action == "late", self._info(valid)

    def _info(self, valid):
        over = self.left == 0
        return {
            "admissible_actions": ["go"],
            "success": over,
            "valid": valid,
            "score": float(over),
        }


def played(*lines, env=None, explanation=lambda info: ()):
    """What is shown when these lines are typed."""
    typed = iter(lines)
    offered = []

    def read_line(actions):
        offered.append(list(actions))
        try:
            return next(typed)
        except StopIteration:
            raise EOFError from None

    shown = io.StringIO()
    console = Console(file=shown, soft_wrap=True)
    task = Task("t", "count", {"left": 2})
    play(env or Countdown(), task, 0, console, read_line, explanation)
    assert env or all(actions == ["go"] for actions in offered)
    return shown.getvalue().splitlines()


def test_an_episode_ends_with_its_reward_its_score_and_how_it_came_about():
    def explanation(info):
        return [f"[b]all[/b] of {info['score']:g}", "\x1b[2J"]

    assert played("go", " go ", explanation=explanation) == [
        "ready [bold]",
        "1 left",
        "0 left",
        "the task is accomplished after 2 steps",
        "reward 10",
        "score 1",
        "[b]all[/b] of 1",
        "\ufffd[2J",
    ]


class Odd(Countdown):
    """A countdown that tells little, and that with marks of its own."""

    def __init__(self, **told):
        self.told = told

    def reset(self, *, seed=None, options=None):
        super().reset(options=options)
        return "\x1b]0;title\x07\u202eready\r", self.told

    def step(self, action):
        observation, reward, over, cut, _ = super().step(action)
        return observation, reward, over, cut, self.told


def test_nothing_that_an_environment_says_acts_on_the_terminal():
    shown = played("go", "go", env=Odd())
    assert shown[0] == "\ufffd]0;title\ufffd\\u202eready\\u000d"


@pytest.mark.parametrize(
    ("told", "outcome"),
    [
        ({}, "whether the task is accomplished is not known (`success` is None) after 2 steps"),
        ({"success": "no"}, "whether the task is accomplished is not known (`success` is 'no')"),
        ({"success": True, "admissible_actions": 7}, "the task is accomplished after 2 steps"),
        ({"success": False, "score": "high"}, "the task is not accomplished after 2 steps"),
    ],
)
def test_an_info_that_lacks_keys_is_played(told, outcome):
    shown = played("/actions", "go", "go", env=Odd(**told))
    assert any(line.startswith(outcome) for line in shown)
    assert "reward 10" in shown


class Breaks(Countdown):
    def __init__(self, where):
        self.where = where

    def reset(self, *, seed=None, options=None):
        if self.where == "reset()":
            raise KeyError("shelf \x1b[1m")
        return super().reset(options=options)

    def step(self, action):
        observation, reward, *rest, info = super().step(action)
        if self.where == "step()":
            reward = "much"
        return observation, reward, *rest, info


@pytest.mark.parametrize("where", ["reset()", "step()", "its explanation of the score"])
def test_an_environment_that_raises_is_said_to(where):
    def explanation(info):
        return [1 / 0]

    with pytest.raises(ProxmoError, match="the fault is in the environment") as told:
        played("go", "go", env=Breaks(where), explanation=explanation)
    assert f"the environment failed in {where}: " in str(told.value)
    assert "\x1b" not in str(told.value)


def test_an_environment_that_cannot_be_made_costs_no_traceback(monkeypatch, capsys, no_data):
    def breaks(self, *, max_steps=None, **options):
        raise RuntimeError("no display")

    monkeypatch.setattr(EnvSpec, "make", breaks)
    assert cli.main(["play", "alfworld"]) == 1
    told = capsys.readouterr().err
    assert "the environment cannot be made: RuntimeError: no display" in told
    assert "Traceback" not in told


def test_what_begins_with_a_slash_is_no_step():
    shown = played("/help", "/actions", "/what", "", "   ", "/quit", "go")
    assert "  /quit     leave" in shown
    assert "  go" in shown
    assert "/what is not a command; there are /actions, /help and /quit" in shown
    assert shown[-1] == "left after 0 steps; the task is not accomplished"


def test_the_end_of_input_leaves():
    assert played("go")[-1] == "left after 1 step; the task is not accomplished"


def test_an_inadmissible_action_is_a_step_and_is_said_to_be_none():
    shown = played("jump", "late")
    assert shown.count("that action is not admissible (/actions lists those that are)") == 2
    assert "the task is not accomplished after 2 steps; the step limit was reached" in shown
    assert "reward 0" in shown


def test_only_actions_that_take_any_words_are_cut_for_completion():
    actions = ["search[<your query>]", "click[< prev]", "click[next >]", "go to shelf 1"]
    assert completions(actions) == ["search[", *actions[1:]]


@pytest.fixture
def no_data(monkeypatch, tmp_path):
    monkeypatch.delenv("ALFWORLD_DATA", raising=False)
    monkeypatch.delenv("WEBSHOP_DATA", raising=False)
    monkeypatch.setenv("PROXMO_CACHE", str(tmp_path))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "Required"),
        (["alfwold"], "did you mean 'alfworld'?"),
        (["alfworld", "--task", "1000"], "--task 1000: split 'valid' has 1000 tasks, numbered"),
        (["alfworld", "--task", "-1"], "--task -1"),
        (["alfworld", "--split", "test"], "'test'"),
        (["alfworld", "--games", "no/such"], "no/such"),
        (["webshop", "--data", "no/such"], "no/such"),
        (["alfworld", "--max-steps", "0"], "--max-steps 0"),
    ],
)
def test_bad_input_is_named_and_exits_with_2(arguments, message, capsys, no_data):
    assert cli.main(["play", *arguments]) == 2
    told = capsys.readouterr().err
    assert message in told
    assert "Traceback" not in told


def run(arguments, typed):
    return subprocess.run(
        [sys.executable, "-m", "proxmo", "play", *arguments],
        input=typed,
        capture_output=True,
        check=False,
    )


def test_alfworld_is_played_through_a_pipe_as_the_agent_plays_it(no_data):
    spec = registry.get("alfworld")
    task = spec.load_tasks("valid", None, 0)[3]
    env = spec.make()
    lines = [env.reset(seed=0, options=task.options)[0]]
    actions = list(task.options["game"].walkthrough)
    for action in actions:
        lines += [f"> {action}", env.step(action)[0]]
    ended = run(["alfworld", "--task", "3"], "\n".join(actions).encode())
    assert ended.returncode == 0
    shown = ended.stdout.decode()
    assert "\n".join(lines) in shown
    assert f"the task is accomplished after {len(actions)} steps\nreward 10\n" in shown


def test_webshop_is_played_through_a_pipe_to_a_purchase_and_its_score_is_explained(no_data):
    spec = registry.get("webshop")
    task = spec.load_tasks("valid", None, 0)[0]
    catalog = task.options["catalog"]
    goal = catalog.goals[task.options["goal"]]
    wanted = catalog.products[catalog.find(goal.asin)]
    actions = [f"search[{wanted.title}]", f"click[{goal.asin}]", "click[Buy Now]"]
    ended = run(["webshop"], "\n".join(actions).encode())
    assert ended.returncode == 0
    lines = ended.stdout.decode().splitlines()
    assert all(f"> {action}" in lines for action in actions)
    told = lines[lines.index("> click[Buy Now]") + 2 :]  # the action, then the last page
    env = spec.make()
    _, info = env.reset(seed=0, options=task.options)
    for action in actions:
        *_, info = env.step(action)
    # The very product without its options: not all that was asked for.
    assert goal.options
    assert 0 < info["score"] < 1
    assert told[:4] == [
        "the task is not accomplished after 3 steps",
        "reward 0",
        f"score {info['score']:.4g}",
        "  = r_type * (w_att * r_att + w_option * r_option + w_price * r_price)",
    ]
    assert told[4].startswith("  = 1 * (")
    assert eval(told[4].removeprefix("  = ")) == pytest.approx(info["score"], abs=2e-3)
    assert [line.split()[0] for line in told[5:]] == list(info["reward_parts"])
    assert all(len(line.split()) > 2 for line in told[5:])  # every part says what it means


def test_an_episode_of_webshop_that_ran_out_of_steps_says_that_nothing_was_bought(no_data):
    ended = run(["webshop", "--max-steps", "2"], b"search[mug]\nclick[next >]\n")
    assert ended.returncode == 0
    assert ended.stdout.decode().splitlines()[-4:] == [
        "the task is not accomplished after 2 steps; the step limit was reached",
        "reward 0",
        "score 0",
        "nothing was bought",
    ]


def test_bytes_that_are_no_text_are_an_action_like_any_other(no_data):
    ended = run(["alfworld"], b"go to \xff\xfe\n")
    assert ended.returncode == 0
    assert b"Nothing happens." in ended.stdout
    assert ended.stderr == b""


@pytest.mark.skipif(sys.platform == "win32", reason="pseudo terminals are a Unix thing")
def test_a_terminal_completes_actions_and_remembers_them(no_data):
    import pty

    parent, child = pty.openpty()
    prompt = b"\x1b[?2004h"
    # (what appears, what is then typed): Tab completes, the arrow brings back the last line.
    script = [
        (prompt, b"invent\t"),
        (b"inventory", b"\r"),
        (b"You are not carrying anything.", b""),
        (prompt, b"\x1b[A"),
        (b"inventory", b"\r"),
        (b"You are not carrying anything.", b""),
        (prompt, b"/quit\r"),
        (b"left after 2 steps", b""),
    ]
    process = subprocess.Popen(
        [sys.executable, "-m", "proxmo", "play", "alfworld"],
        stdin=child,
        stdout=child,
        stderr=child,
        env={**os.environ, "TERM": "xterm", "PROMPT_TOOLKIT_NO_CPR": "1"},
        close_fds=True,
    )
    os.close(child)
    shown = b""
    try:
        while chunk := os.read(parent, 65536):
            shown += chunk
            while script and script[0][0] in shown:
                shown = shown.split(script[0][0], 1)[1]
                os.write(parent, script.pop(0)[1])
    except OSError:  # the other side has closed: Linux says so with an error
        pass
    assert process.wait(timeout=30) == 0
    os.close(parent)
    assert script == []
