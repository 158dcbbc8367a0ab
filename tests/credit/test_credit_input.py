"""What `Steps` accepts, and how it refuses the rest: row, value and way out."""

from typing import Any

import numpy as np
import pytest
from credit_batches import Row, episode, steps_of

import proxmo
from proxmo.types import Step, Trajectory

GOOD: dict[str, Any] = {
    "group": ["g", "g", "g"],
    "trajectory": ["a", "a", "b"],
    "step": [0, 1, 0],
    "observation": ["x", "y", "x"],
    "reward": [0.0, 1.0, 0.0],
    "success": [True, True, False],
}


def refused(*patterns, **changed):
    """Expect an error with each of the patterns in its message."""
    with pytest.raises(proxmo.InputError) as caught:
        proxmo.Steps(**GOOD | changed)
    for pattern in patterns:
        assert pattern in str(caught.value)


@pytest.mark.parametrize("name", [*GOOD, "valid"])
def test_columns_of_different_lengths_are_refused(name):
    short = (GOOD | {"valid": [True] * 3})[name][:2]
    refused("'group' has", "2", "3", "one entry per step", **{name: short})


def test_tensors_are_read_whatever_their_type_and_gradient():
    torch = pytest.importorskip("torch")
    half = torch.tensor(GOOD["reward"], dtype=torch.bfloat16)
    steps = proxmo.Steps(**GOOD | {"reward": half, "success": torch.tensor(GOOD["success"])})
    assert steps.reward.tolist() == GOOD["reward"]
    learnt = torch.tensor(GOOD["reward"], requires_grad=True)
    assert proxmo.Steps(**GOOD | {"reward": learnt}).reward.tolist() == GOOD["reward"]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_a_reward_that_is_not_finite_is_refused(value):
    refused(
        f"reward is {value} in row 1 (trajectory 'a', step 1)", "drop", reward=[0.0, value, 0.0]
    )


def test_a_missing_reward_is_refused():
    refused("reward is nan in row 2 (trajectory 'b', step 0)", reward=[0.0, 0.0, None])


def test_a_reward_that_is_no_number_is_refused():
    refused("reward is 'much' in row 1", "one number per step", reward=[0.0, "much", 0.0])


def test_rewards_in_two_dimensions_are_refused():
    refused("reward has shape (3, 1)", "one number per step", reward=[[0.0], [1.0], [0.0]])


def test_a_trajectory_in_two_groups_is_refused():
    refused(
        "group is 'h' in row 1 (trajectory 'a', step 1)",
        "in group 'g' in row 0",
        "an id of its own",
        group=["g", "h", "g"],
    )


def test_a_success_flag_that_changes_within_a_trajectory_is_refused():
    refused(
        "success is False in row 1 (trajectory 'a', step 1)",
        "True in row 0",
        "the flag that the environment reported",
        success=[True, False, False],
    )


def test_a_step_number_that_repeats_is_refused():
    refused(
        "step number 0 repeats in row 1 (trajectory 'a', step 0)",
        "row 0 has it too",
        "drop padded or duplicated rows",
        step=[0, 0, 0],
    )


@pytest.mark.parametrize("value", [0.5, float("nan"), float("inf")])
def test_a_step_number_that_is_not_whole_is_refused(value):
    refused(f"step is {value} in row 1", "whole numbers", step=[0, value, 0])


@pytest.mark.parametrize("name", ["success", "valid"])
def test_a_flag_that_is_neither_true_nor_false_is_refused(name):
    refused(f"{name} is 2.0 in row 2", "True or False", **{name: [1, 1, 2]})


def test_an_observation_that_is_no_text_is_refused():
    refused("observation is None in row 1", "the text", observation=["x", None, "x"])


@pytest.mark.parametrize("name", ["group", "trajectory"])
def test_a_label_that_cannot_be_hashed_is_refused(name):
    refused(f"{name} is ['g'] in row 1", "a string or a number", **{name: ["g", ["g"], "g"]})


def test_no_steps_are_refused():
    with pytest.raises(proxmo.InputError, match="0 steps"):
        proxmo.Steps(group=[], trajectory=[], step=[], observation=[], reward=[], success=[])


def test_labels_may_be_tuples_numbers_and_arrays():
    tuples: Any = [("g", 1), ("g", 1), ("g", 2)]
    by_tuple = proxmo.Steps(**GOOD | {"trajectory": tuples})
    assert by_tuple.trajectory_labels == [("g", 1), ("g", 2)]
    by_array = proxmo.Steps(**GOOD | {"group": np.array([7, 7, 7]), "trajectory": np.arange(3)})
    assert by_array.group_labels == [7]
    assert by_array.trajectory_ids.tolist() == [0, 1, 2]


def test_a_row_without_valid_is_valid():
    assert proxmo.Steps(**GOOD).valid.tolist() == [True, True, True]


def test_columns_cannot_be_changed_afterwards():
    reward = np.array([0.0, 1.0, 0.0])
    steps = proxmo.Steps(**GOOD | {"reward": reward})
    with pytest.raises(ValueError, match="read-only"):
        steps.reward[0] = 5.0
    reward[0] = 5.0
    assert steps.reward[0] == 0.0


def test_steps_say_what_they_are():
    steps = proxmo.Steps(**GOOD)
    assert repr(steps) == "Steps(3 steps, 2 trajectories, 1 groups)"
    assert len(steps) == 3


def trajectory(name, *steps, success=False):
    return Trajectory(
        id=name, group="g", task="t", task_type="kind", seed=0, steps=steps, success=success
    )


def step(observation, reward, valid=True):
    return Step(observation, "prompt", "response", "action", reward, valid)


def test_recorded_trajectories_become_rows_in_order():
    steps = proxmo.Steps.from_trajectories(
        [
            trajectory("a", step("x", 0.0, valid=False), step("y", 10.0), success=True),
            trajectory("b", step("x", 0.0)),
        ]
    )
    expected = [
        Row("g", "a", 0, "x", 0.0, True, False),
        Row("g", "a", 1, "y", 10.0, True, True),
        Row("g", "b", 0, "x", 0.0, False, True),
    ]
    for name in Row._fields:
        assert getattr(steps, name).tolist() == [getattr(row, name) for row in expected]


def test_a_recorded_trajectory_without_steps_is_refused():
    with pytest.raises(proxmo.InputError, match=r"trajectory 'b' of group 'g' has 0 steps; record"):
        proxmo.Steps.from_trajectories([trajectory("a", step("x", 0.0)), trajectory("b")])


def test_step_numbers_only_order():
    # Gaps and negative numbers: the discount counts steps, not their numbers.
    rows = episode("g", "a", [0.0, 0.0, 8.0])
    moved = [row._replace(step=number) for row, number in zip(rows, (-5, 3, 100), strict=True)]
    other = episode("g", "b", [0.0], ["elsewhere"])
    credit = proxmo.ProxMO(gamma=0.5, similarity="exact")
    assert credit(steps_of(moved + other)).step.tolist() == pytest.approx(
        credit(steps_of(rows + other)).step.tolist()
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"gamma": 1.1}, "gamma is 1.1; it must be a number >= 0 and <= 1"),
        ({"gamma": float("nan")}, "gamma is nan"),
        ({"alpha": 0.0}, "alpha is 0.0; it must be a number > 0"),
        ({"modulation": -0.1}, "modulation is -0.1"),
        ({"temperature": 0}, "temperature is 0; it must be a number > 0"),
        ({"step_weight": float("inf")}, "step_weight is inf; it must be finite"),
        ({"normalize": "max"}, "normalize is 'max'; choose one of 'mean', 'std'"),
        ({"invalid_action_penalty": True}, "invalid_action_penalty is True"),
        ({"similarity": "bm25"}, "similarity is 'bm25'; choose one of 'tfidf'"),
        ({"token_pattern": "("}, "token_pattern is '('"),
        ({"token_pattern": "(a)(b)"}, "has 2 capturing groups"),
        ({"max_features": 1.5}, "max_features is 1.5; it must be a whole number >= 1"),
    ],
)
def test_an_option_out_of_range_is_refused(options, message):
    with pytest.raises(proxmo.InputError) as caught:
        proxmo.ProxMO(**options)
    assert message in str(caught.value)


def test_numbers_of_numpy_are_numbers():
    credit = proxmo.ProxMO(gamma=np.float32(0.5), max_features=np.int64(8))  # type: ignore[arg-type]
    assert credit == proxmo.ProxMO(gamma=0.5, max_features=8)


def test_credit_names_its_methods():
    assert set(proxmo.CREDIT) == {
        "proxmo",
        "proxmo-episode",
        "proxmo-step",
        "proxmo-released",
        "grpo",
        "gigpo",
        "hgpo",
        "graphgpo",
        "g2po",
        "bellman",
        "turn-index",
        "rloo",
        "reinforce++",
    }
    assert proxmo.CREDIT["proxmo"] is proxmo.ProxMO
    assert proxmo.CREDIT["reinforce++"] is proxmo.ReinforcePlusPlus


def test_make_passes_options_on():
    assert proxmo.make("gigpo", similarity_threshold=0.9) == proxmo.GiGPO(similarity_threshold=0.9)
    assert proxmo.make("proxmo-released") == proxmo.ProxMO.released()


def test_an_unknown_method_is_refused():
    with pytest.raises(proxmo.InputError, match="credit method is 'ppo'; choose one of proxmo,"):
        proxmo.make("ppo")


def test_an_unknown_option_is_refused():
    with pytest.raises(proxmo.InputError, match="'grpo' has no option 'gamma'; it has normalize"):
        proxmo.make("grpo", gamma=0.9)


def test_what_follows_must_be_where_the_trajectory_goes_on():
    refused(
        "next_observation is 'z' in row 0 (trajectory 'a', step 0)",
        "goes on in row 1 with 'y'",
        next_observation=["z", "end", "end"],
    )
    assert len(proxmo.Steps(**GOOD, next_observation=["y", "end", "end"])) == 3
