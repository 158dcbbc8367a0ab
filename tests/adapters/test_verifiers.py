"""Credit on the real objects of verifiers, by hand."""

import pytest

pytest.importorskip("verifiers", reason="verifiers is not installed: uv sync --extra verifiers")

import verifiers.v1 as vf
from new_method import Twice
from verifiers.v1.episode import GroupInfo
from verifiers.v1.trace import AgentInfo, Error, Reward, TraceTask

import proxmo
from proxmo import cli
from proxmo.adapters.verifiers import assign_advantages
from proxmo.errors import InputError, ProxmoError


def node(text, parent, sampled=False, tokens=2):
    """A message of `tokens` tokens; a sampled one has a scaffold token before them."""
    message = vf.AssistantMessage(content=text) if sampled else vf.UserMessage(content=text)
    mask = [False] + [True] * tokens if sampled else [False] * tokens
    return vf.MessageNode(
        parent=parent, message=message, sampled=sampled, token_ids=[7] * len(mask), mask=mask
    )


def trace(observations, reward, success, answers=("go", "take it")):
    nodes = []
    for observation, answer in zip(observations, answers, strict=True):
        nodes.append(node(observation, len(nodes) - 1 if nodes else None))
        nodes.append(node(answer, len(nodes) - 1, sampled=True, tokens=len(answer.split())))
    return vf.Trace.model_construct(
        id=f"trace-{reward}-{observations[-1]}",
        task=TraceTask.model_construct(type="Toy", data=None),
        agent=AgentInfo.model_construct(config=None, name="agent"),
        nodes=nodes,
        rewards={"win": Reward(score=reward)},
        metrics={} if success is None else {"success": float(success)},
    )


def episode(group, *traces):
    return vf.Episode.model_construct(
        id=f"episode-{group}-{id(traces)}",
        traces=list(traces),
        group=group and GroupInfo(id=group),
    )


def silent():
    """A trace that ended before the model said anything."""
    empty = trace(["x", "y"], 0.0, False)
    empty.nodes = empty.nodes[:1]
    return empty


def batch():
    return [
        episode("a", trace(["a closed fridge", "an open fridge"], 10.0, True)),
        episode("a", trace(["a closed fridge", "a shelf"], 0.0, False)),
        episode("b", trace(["a desk", "a lamp"], 0.0, False)),
        episode("b", trace(["a desk", "a drawer"], 10.0, True)),
    ]


def turns_of(episodes):
    return [n for e in episodes for t in e.traces for n in t.nodes if n.sampled]


@pytest.mark.parametrize("method", ["proxmo", "grpo", "gigpo"])
def test_every_sampled_token_gets_its_turns_advantage(method):
    episodes = batch()
    credit = proxmo.make(method)
    expected = credit(
        proxmo.Steps(
            group=["a"] * 4 + ["b"] * 4,
            trajectory=[0, 0, 1, 1, 2, 2, 3, 3],
            step=[0, 1] * 4,
            observation=[
                *("a closed fridge", "an open fridge", "a closed fridge", "a shelf"),
                *("a desk", "a lamp", "a desk", "a drawer"),
            ],
            reward=[0.0, 10.0, 0.0, 0.0, 0.0, 0.0, 0.0, 10.0],
            success=[True, True, False, False, False, False, True, True],
        )
    ).advantage
    result = assign_advantages(episodes, credit)
    turns = turns_of(episodes)
    assert [len(n.advantages) for n in turns] == [1, 2] * 4  # "go", "take it"
    assert [n.advantages[0] for n in turns] == pytest.approx(expected.tolist())
    assert [n.advantages[-1] for n in turns] == pytest.approx(expected.tolist())
    assert result.advantage == pytest.approx(expected)


def test_the_library_reads_back_what_was_written():
    episodes = batch()
    assign_advantages(episodes, proxmo.ProxMO())
    [branch] = episodes[0].traces[0].branches
    assert len(branch.advantages) == len(branch.token_ids)
    assert [value != 0 for value in branch.advantages] == branch.sampled_mask
    assert all(n.advantages is None for n in branch.nodes if not n.sampled)


def test_rewards_per_turn_and_invalid_turns_can_be_told():
    episodes = batch()
    assign_advantages(
        episodes,
        proxmo.GRPO(normalize="mean"),
        rewards=lambda trace, turns: [1.0] * turns,
        valid=lambda trace, turns: [False] + [True] * (turns - 1),
    )
    # All rewards are 2: what is left is the charge for the invalid first turn.
    assert [n.advantages[0] for n in turns_of(episodes)] == pytest.approx([-0.1, 0.0] * 4)


def test_messages_between_two_turns_are_one_observation():
    one = trace(["hello", "a desk"], 10.0, True)
    one.nodes.insert(0, node("rules", None))
    for later in one.nodes[1:]:
        later.parent = 0 if later.parent is None else later.parent + 1
    seen = []

    def spy(steps):
        seen.extend(steps.observation)
        return proxmo.GRPO()(steps)

    assign_advantages([episode("a", one)], spy)
    assert seen == ["rules\nhello", "a desk"]


def test_a_method_of_the_users_own_needs_its_name_only(monkeypatch):
    monkeypatch.setitem(proxmo.CREDIT, "twice", Twice)
    episodes = batch()
    assign_advantages(episodes, "twice")
    rewards = [0.0, 10.0, 0.0, 0.0, 0.0, 0.0, 0.0, 10.0]
    assert [n.advantages[0] for n in turns_of(episodes)] == [1 + 2 * reward for reward in rewards]


def broken(trace, message="no such room"):
    trace.errors = [Error(type="TaskError", message=message)]
    return trace


def test_a_trace_that_failed_is_no_failure_of_the_model(caplog):
    # Of group a one trace is left, of group b two, of group c one that never said anything.
    episodes = [
        *batch(),
        episode("a", trace(["a closed fridge", "a shelf"], 10.0, True)),
        episode("b", broken(trace(["a desk", "a lamp"], 3.0, None))),
        episode("c", trace(["a bed", "a lamp"], 10.0, True)),
        episode("c", broken(silent())),
    ]
    broken(episodes[0].traces[0])
    broken(episodes[1].traces[0], "\x1b[2J")
    result = assign_advantages(episodes, proxmo.ProxMO())
    turns = turns_of(episodes)
    assert [n.advantages is None for n in turns] == [False] * len(turns)
    # Groups a and c have one trace each to compare with nothing; b is as if it were alone.
    own = batch()[2:]
    expected = assign_advantages(own, proxmo.ProxMO()).advantage.tolist()
    credited = [n.advantages[0] for n in turns]
    assert credited == pytest.approx([0.0] * 4 + expected + [0.0] * 6)
    assert result.advantage == pytest.approx([*expected, 0.0, 0.0, 0.0, 0.0])
    assert result.diagnostics["rollout/errors"] == 4
    assert "4 of 8 episodes ended in an error" in caplog.text
    assert "TaskError: no such room" in caplog.text
    assert "\x1b" not in caplog.text


def test_a_trace_that_was_tried_again_and_went_well_is_well():
    [one, other, *_] = batch()
    broken(one.traces[0]).ok = True
    assert assign_advantages([one, other], proxmo.GRPO()).advantage.any()


def test_a_batch_in_which_everything_failed_is_an_error():
    with pytest.raises(ProxmoError, match=r"every episode .* TaskError: no such room"):
        assign_advantages([episode("a", broken(silent()))] * 2, proxmo.ProxMO())


@pytest.mark.parametrize(
    ("episodes", "message"),
    [
        ([episode(None, trace(["x", "y"], 0.0, True))], "has no group"),
        ([episode("a", trace(["x", "y"], 0.0, None))], "'success'"),
        ([episode("a", silent())], "no sampled message"),
    ],
)
def test_what_credit_needs_is_asked_for(episodes, message):
    with pytest.raises(InputError, match=message):
        assign_advantages(episodes, proxmo.ProxMO())


def test_the_doctor_finds_all_well(capsys):
    assert cli.main(["doctor", "verifiers"]) == 0
    assert "BAD" not in capsys.readouterr().out
