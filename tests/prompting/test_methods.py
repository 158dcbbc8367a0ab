"""What each prompting method tells a policy, and what it makes of its answers."""

import re

import pytest

from proxmo.envs import registry
from proxmo.envs.base import Task
from proxmo.envs.spec import EnvSpec
from proxmo.errors import InputError, ProxmoWarning
from proxmo.evaluation.prompting.examples import (
    Example,
    ExampleTurn,
    examples_for,
    few_shot,
    load_examples,
)
from proxmo.evaluation.prompting.reflection import reflection_prompt, told_lessons
from proxmo.evaluation.prompting.trials import Trial, prompt
from proxmo.policies.base import Response, Usage
from proxmo.policies.scripted import ScriptedPolicy
from proxmo.prompts import Prompter, PromptStyle
from proxmo.types import Context, Step, Trajectory

ALFWORLD_TYPES = {
    "pick_and_place_simple",
    "look_at_obj_in_light",
    "pick_clean_then_place_in_recep",
    "pick_heat_then_place_in_recep",
    "pick_cool_then_place_in_recep",
    "pick_two_obj_and_place",
}
EXAMPLE = Example("open it", "A box.", [ExampleTurn("it is shut", "open box", "It opens.")])


class Doors:
    """Opens for its password; two steps at most."""

    def reset(self, *, seed=None, options=None):
        assert options is not None
        self.steps, self.password = 0, options["password"]
        return "A door.", {"admissible_actions": [], "goal": "get out"}

    def step(self, action):
        self.steps += 1
        opened = action == self.password
        info = {"success": opened, "score": 0.5 * self.steps, "admissible_actions": []}
        return "A door.", 10.0 * opened, opened, self.steps == 2, info

    def close(self):
        pass


def doors(*passwords):
    return [
        Task(f"door {n}", "door", {"password": password}) for n, password in enumerate(passwords)
    ]


def play(method, act, tasks, style: PromptStyle = "think", **options):
    policy = ScriptedPolicy(act, context="window", prompter=Prompter(style))
    return prompt(method, policy, Doors, tasks, seed=0, **options)


def acts(action):
    return f"<think>so</think><action>{action}</action>"


def test_zero_shot_tells_nothing_but_the_task():
    asked = []
    play("zero-shot", lambda row, turn, text: asked.append(text) or acts("open"), doors("open"))
    assert asked == [Prompter("think").window("get out", [], "A door.", [])]


def test_react_tells_examples_before_the_task_in_the_form_of_the_policy():
    asked = []

    def act(row, turn, text):
        asked.append(text)
        return acts("open")

    play("react", act, doors("open"), examples=[EXAMPLE])
    assert asked[0].endswith(
        "Here is how other tasks were done, turn by turn.\n\n"
        "Example 1\nYour task is to: open it\n\nObservation: A box.\n"
        "<think>it is shut</think><action>open box</action>\nObservation: It opens.\n\n"
        "Now your own task.\n\nYour task is to: get out\n\nObservation: A door."
    )


@pytest.mark.parametrize("context", ["window", "conversation"])
def test_guidance_stands_in_every_window_but_once_in_a_conversation(context):
    asked = []

    def act(row, turn, text):
        asked.append("Example 1" in text)
        return acts("push")

    policy = ScriptedPolicy(act, context=context, prompter=Prompter("think"))
    prompt("react", policy, Doors, doors("open"), seed=0, examples=[EXAMPLE])
    assert asked == [True, context == "window"]


def test_reflexion_tries_what_failed_again_with_the_lesson():
    asked = []

    def act(row, turn, text):
        asked.append(text)
        if "The attempt:" in text:
            return "<think>hm</think> Say sesame\nat the door."
        return acts("sesame" if "Say sesame at the door." in text else "open")

    came = play("reflexion", act, doors("open", "sesame"), examples=[EXAMPLE], trials=3)
    assert came.trials == (Trial(2, 1, 0.5), Trial(1, 1, 1.0))
    assert came.evaluation.overall.success == 1.0
    # Two steps and one; the lesson; one step.
    assert came.usage.requests == len(asked) == 5
    assert [text.count("Example 1") for text in asked] == [1, 1, 1, 0, 1]
    assert "Observation: A door.\nAction: open\nObservation: A door.\nAction: open" in asked[3]


def test_without_success_reflexion_ends_after_its_trials_and_remembers_the_last_three():
    lessons, seen = iter(range(99)), []

    def act(row, turn, text):
        if "The attempt:" in text:
            return f"lesson {next(lessons)}."
        seen.append(re.findall(r"lesson \d", text))
        return acts("open")

    came = play("reflexion", act, doors("sesame"), examples=[EXAMPLE], trials=5)
    assert came.trials == (Trial(1, 0, 0.0),) * 5
    assert seen[-1] == ["lesson 1", "lesson 2", "lesson 3"]
    assert next(lessons) == 4  # none is written that no attempt would read
    assert came.evaluation.overall.success == 0.0


def test_an_attempt_again_draws_anew():
    drawn = []

    class Drawing(ScriptedPolicy):
        def open(self, rngs, *, temperature, greedy):
            drawn.append([rng.random() for rng in rngs])
            return super().open(rngs, temperature=temperature, greedy=greedy)

    policy = Drawing(lambda *_: acts("open"), context="window", prompter=Prompter("think"))
    prompt("reflexion", policy, Doors, doors("x"), seed=0, examples=[EXAMPLE], trials=2)
    first, lesson, second = drawn
    assert len({*first, *lesson, *second}) == 3


def test_the_best_attempt_counts():
    def act(row, turn, text):
        return "open" if "The attempt:" in text else acts("open")

    came = play("reflexion", act, doors("x", "open"), examples=[EXAMPLE], trials=2)
    assert came.evaluation.overall.score == (1.0 + 0.5) / 2
    assert came.to_dict()["trials"][1] == {"played": 1, "solved": 0, "success": 0.5}


@pytest.mark.parametrize("method", ["react", "reflexion"])
def test_a_policy_without_thoughts_is_refused(method):
    with pytest.raises(InputError, match="needs thoughts"):
        play(method, lambda *_: "open", doors("open"), style="compact", examples=[EXAMPLE])


def test_no_tasks_are_refused():
    with pytest.raises(InputError, match="no tasks"):
        play("zero-shot", lambda *_: "open", [])


def test_tokens_of_a_model_that_runs_here_are_those_it_read_and_wrote():
    class Counting:
        context: Context = "window"
        prompter = Prompter("think")

        def open(self, rngs, *, temperature, greedy):
            return self

        def respond(self, rows, prompts):
            return [Response(acts("push"), (1, 2, 3), response_ids=(4, 5)) for _ in rows]

    came = prompt("zero-shot", Counting(), Doors, doors("open"), seed=0)
    assert came.usage == Usage(2, 6, 4)


def test_a_reflection_shows_the_attempt_and_what_became_of_it():
    steps = tuple(Step("o" * n, "p", "r", f"act {n}", 0.0, True) for n in (3, 1000))
    failed = Trajectory("t", "g", "t", "x", 0, steps, False, goal="win", score=0.25)
    asked = reflection_prompt(failed, ["Be quick."]).text
    assert "Your task was to: win" in asked
    assert "Observation: ooo\nAction: act 3\nObservation: oooo" in asked
    assert "o" * 400 + " ...\nAction: act 1000" in asked
    assert "It ended without success. It was graded 0.25 of 1." in asked
    assert "- Be quick." in asked
    assert told_lessons([]) == ""


def test_an_attempt_that_is_too_long_is_told_without_its_oldest_turns_then_without_advice():
    steps = tuple(Step(f"room {n}", "p", "r", f"go {n}", 0.0, True) for n in range(9))
    failed = Trajectory("t", "g", "t", "x", 0, steps, False, goal="win")
    whole = reflection_prompt(failed, ["Be quick."])
    assert not whole.cut

    def within(limit):
        return reflection_prompt(failed, ["Be quick."], lambda text: len(text) <= limit)

    assert within(len(whole.text)) == whole
    told = within(len(whole.text) - 50)
    assert told.cut
    assert "without its oldest turns" in told.text
    assert "room 0" not in told.text
    assert "Observation: room 8\nAction: go 8" in told.text
    assert "Be quick." in told.text
    least = within(1).text
    assert "Be quick." not in least
    assert "room" not in least
    assert "Your task was to: win" in least
    assert least.endswith(whole.text[-40:])


@pytest.mark.parametrize("context", ["window", "conversation"])
def test_a_reflection_is_asked_for_in_the_room_that_the_policy_has(context):
    asked = []

    def act(row, turn, text):
        asked.append(text)
        return acts("push" * 100)

    policy = ScriptedPolicy(act, context=context, prompter=Prompter("think"))
    limit = 1600 if context == "conversation" else 900
    policy.fits = lambda text: len(text) <= limit  # type: ignore[attr-defined]
    with pytest.warns(ProxmoWarning, match="too long to reflect on"):
        prompt("reflexion", policy, Doors, doors("open"), seed=0, trials=2)
    (reflection,) = [text for text in asked if "without its oldest turns" in text]
    # In a conversation the advice needs room, too.
    assert len(reflection) <= 900


def test_alfworld_has_an_example_of_every_type_and_shows_it_first():
    examples = load_examples("alfworld")
    assert {example.task_type for example in examples} == ALFWORLD_TYPES
    for kind in ALFWORLD_TYPES:
        own, other = examples_for(examples, kind)
        assert own.task_type == kind != other.task_type


ALFWORLD_ACTION = re.compile(
    r"go to \w+ \d+|open \w+ \d+|take \w+ \d+ from \w+ \d+|move \w+ \d+ to \w+ \d+"
    r"|(heat|clean|cool) \w+ \d+ with \w+ \d+|use \w+ \d+"
)


def test_alfworld_examples_act_on_what_they_have_seen():
    for example in load_examples("alfworld"):
        seen = example.observation
        for turn in example.turns:
            assert ALFWORLD_ACTION.fullmatch(turn.action)
            for thing in re.findall(r"[a-z]+ \d+", turn.action.replace("go to ", "")):
                assert thing in seen, (example.goal, turn.action)
            seen += turn.observation


def test_webshop_examples_click_what_the_page_shows():
    for example in load_examples("webshop"):
        assert example.goal in example.observation
        page = example.observation
        for turn in example.turns:
            kind, argument = re.fullmatch(r"(search|click)\[(.+)\]", turn.action).groups()  # type: ignore[union-attr]
            assert kind == "search" or argument in page.lower().split(" [sep] ")
            assert kind == "click" or "Search" in page
            page = turn.observation


@pytest.mark.parametrize("env", ["alfworld", "webshop"])
def test_examples_are_read_back_as_they_are_to_be_answered(env):
    prompter = Prompter("think")
    told = few_shot(load_examples(env), prompter)(Task("t", "pick_and_place_simple"))
    responses = re.findall(r"<think>.*</action>", told)
    assert len(responses) >= 8
    assert all(prompter.parse(response)[1] for response in responses)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("examples = [", "not valid TOML"),
        ("examples = []", "examples: "),
        ('[[examples]]\ngoal = "g"\nobservation = "o"\nturns = []', "examples.0.turns"),
        ('[[examples]]\ngoal = "g"\ngaol = "g"', "examples.0"),
    ],
)
def test_a_file_that_holds_no_examples_is_refused(tmp_path, monkeypatch, text, named):
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(InputError, match=named):
        load_examples("alfworld", path)
    with pytest.raises(InputError, match=r"nowhere.toml does not exist"):
        load_examples("alfworld", tmp_path / "nowhere.toml")
    monkeypatch.setitem(registry._SPECS, "mine", EnvSpec("mine", env="a:B", tasks="a:c"))
    with pytest.raises(InputError, match="no examples for environment 'mine'"):
        load_examples("mine")
