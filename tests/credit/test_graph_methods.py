"""Methods that read a group as a graph of states: published outputs, and numbers by hand."""

import json
from pathlib import Path

import numpy as np
import pytest
from credit_batches import Row, batches, episode, steps_of
from hypothesis import given

import proxmo
from proxmo.credit.bellman import bellman_values
from proxmo.credit.episode import Normalize
from proxmo.credit.graphgpo import success_distances
from proxmo.credit.hgpo import shared_pasts
from proxmo.credit.transitions import transitions_of

GOLDEN = json.loads((Path(__file__).parents[1] / "data" / "graph_methods.json").read_text())
CASES = GOLDEN["cases"]
each_case = pytest.mark.parametrize("case", CASES, ids=range(len(CASES)))
NORMALIZE: dict[str, Normalize] = {"mean_norm": "mean", "mean_std_norm": "std"}


def steps_of_case(case):
    columns = {name: [row[name] for row in case["steps"]] for name in case["steps"][0]}
    return proxmo.Steps(**columns)


@each_case
@pytest.mark.parametrize("norm", NORMALIZE)
@pytest.mark.parametrize("omega", [0.1, 0.5])
def test_graphgpo_agrees_with_the_published_code(case, norm, omega):
    method = proxmo.GraphGPO(decay=omega, normalize=NORMALIZE[norm])
    published = case["outputs"][f"graphgpo omega={omega} {norm}"]["step"]
    assert method(steps_of_case(case)).step == pytest.approx(np.array(published), abs=1e-5)


@each_case
@pytest.mark.parametrize("norm", NORMALIZE)
@pytest.mark.parametrize("history", [0, 1, 2])
@pytest.mark.parametrize("alpha", [1, 2])
def test_hgpo_agrees_with_the_published_code(case, norm, history, alpha):
    method = proxmo.HGPO(
        history=history, alpha=alpha, normalize=NORMALIZE[norm], invalid_action_penalty=0.0
    )
    published = case["outputs"][f"hgpo history={history} {norm} alpha={alpha}"]["advantage"]
    assert method(steps_of_case(case)).step == pytest.approx(np.array(published), abs=1e-5)


@each_case
@pytest.mark.parametrize("norm", NORMALIZE)
@pytest.mark.parametrize("penalty", [0, 0.1])
def test_g2po_agrees_with_the_published_code(case, norm, penalty):
    method = proxmo.G2PO(normalize=NORMALIZE[norm], invalid_action_penalty=penalty)
    published = case["outputs"][f"g2po {norm} penalty={penalty}"]["step"]
    assert method(steps_of_case(case)).step == pytest.approx(np.array(published), abs=1e-5)


# Two ways through a house: a takes two steps to win, b turns back once and fails.
HOUSE = episode("g", "a", [0.0, 10.0], ["hall", "kitchen"], success=True) + episode(
    "g", "b", [0.0, 0.0, 0.0], ["hall", "cellar", "hall"]
)


def test_a_trajectory_leads_from_state_to_state_and_ends():
    found = transitions_of(steps_of(HOUSE))
    # hall 0, kitchen 1, cellar 2; a success of group 0 is number 3, a failure ends nowhere.
    assert found.successor.tolist() == [1, 3, 2, 0, -1]
    assert found.ends.tolist() == [1, 4]


def test_where_a_failure_really_ends_may_be_told():
    columns = {name: [getattr(row, name) for row in HOUSE] for name in Row._fields}
    seen = ["kitchen", "won", "cellar", "hall", "kitchen"]
    found = transitions_of(proxmo.Steps(**columns, next_observation=seen))
    assert found.successor.tolist() == [1, 3, 2, 0, 1]
    elsewhere = transitions_of(proxmo.Steps(**columns, next_observation=[*seen[:4], "attic"]))
    assert elsewhere.successor.tolist() == [1, 3, 2, 0, -1]


def test_distances_count_steps_to_success():
    lost = episode("h", "c", [0.0, 0.0], ["hall", "attic"])
    distance, beyond = success_distances(transitions_of(steps_of(HOUSE + lost)))
    assert distance.tolist() == [2, 1, 3, np.inf, np.inf]
    assert beyond.tolist() == [4, np.inf]


def test_graphgpo_prefers_the_step_that_leads_nearer():
    result = proxmo.GraphGPO(normalize="mean", step_weight=1.0)(steps_of(HOUSE))
    # From the hall: to the kitchen (d 1), to the cellar (d 3), out of time (d 4).
    worth = np.array([1.0, 0.01, 0.001])
    expected = worth - worth.mean()
    assert result.step[[0, 2, 4]] == pytest.approx(expected)
    assert result.step[[1, 3]].tolist() == [0.0, 0.0]


def test_a_past_is_shared_as_far_as_it_is_equal():
    rows = episode("g", "a", [0.0] * 3, ["x", "y", "z"]) + episode(
        "g", "b", [0.0] * 3, ["w", "y", "z"]
    )
    one, two, three = shared_pasts(steps_of(rows), 3)
    assert one[1] == one[4]
    assert one[2] == one[5]
    assert two[2] == two[5]
    assert two[1] != two[4]
    assert three[2] != three[5]
    assert two[0] == two[3] == three[1] == -1


def test_bellman_values_by_hand():
    steps = steps_of(HOUSE)
    found = transitions_of(steps)
    values = bellman_values(found, found.states.mean(steps.reward), 0.5)
    # hall = (kitchen + cellar + 0) / 6, kitchen = 10, cellar = hall / 2: hall = 10 / 5.5.
    assert values == pytest.approx([10 / 5.5, 10.0, 5 / 5.5])
    advantage = proxmo.Bellman(gamma=0.5)(steps).advantage
    hall, cellar = 10 / 5.5, 5 / 5.5
    assert advantage == pytest.approx([5 - hall, 0, cellar / 2 - hall, 0, -hall], abs=1e-12)


@given(batches())
def test_bellman_advantages_of_a_state_add_up_to_nothing(rows):
    steps = steps_of(rows)
    states = transitions_of(steps).states
    assert states.mean(proxmo.Bellman()(steps).step) == pytest.approx(0.0, abs=1e-8)


@given(batches())
def test_alike_as_only_equal_texts_the_kernel_gives_the_exact_values(rows):
    steps = steps_of(rows)
    soft = proxmo.Bellman(similarity="exact", temperature=1e-3)(steps)
    assert soft.step == pytest.approx(proxmo.Bellman()(steps).step, abs=1e-8)


def test_in_logarithms_a_step_is_judged_by_the_factor_it_gained():
    result = proxmo.Bellman(gamma=0.5, form="log")(steps_of(HOUSE)).step
    gained = np.log([5.0, 5 / 5.5 / 2, 0.01])  # a failure's end is at the floor
    z = (gained - gained.mean()) / (gained.std(ddof=1) + 1e-6)
    assert result[[0, 2, 4]] == pytest.approx(z)


def test_the_turns_of_a_group_are_compared_by_their_number():
    result = proxmo.TurnIndex(gamma=0.5)(steps_of(HOUSE))
    # Returns 5, 10 and 0, 0, 0: turn 0 has mean 2.5, turn 1 has 5, turn 2 is alone.
    assert result.step == pytest.approx([2.5, 5.0, -2.5, -5.0, 0.0])
