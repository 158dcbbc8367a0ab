"""The named preset gives what the authors' released code gave."""

import json
from pathlib import Path

import numpy as np
import pytest
from credit_batches import episode, steps_of

import proxmo

CASES = json.loads((Path(__file__).parents[1] / "data" / "released_code.json").read_text())["cases"]


def preset(settings):
    return proxmo.ProxMO.released(
        gamma=settings["gamma"],
        alpha=settings["alpha"],
        modulation=settings["modulation_range"] if settings["modulation"] else 0.0,
        temperature=settings["temperature"],
        step_weight=settings["step_weight"],
        invalid_action_penalty=settings["invalid_action_penalty"],
        mode=settings["mode"].replace("soft_grouping", "soft"),
        similarity_threshold=settings["similarity_threshold"],
    )


def batch(case):
    texts = [case["texts"][i] for i in case["steps"]["observation"]]
    return proxmo.Steps(**case["steps"] | {"observation": texts})


@pytest.mark.parametrize("number", range(len(CASES)))
def test_the_preset_reproduces_the_released_code(number):
    case = CASES[number]
    result = preset(case["settings"])(batch(case))
    for name in ("episode", "step"):
        expected = np.array(case[f"{name}_advantage"])
        np.testing.assert_allclose(getattr(result, name), expected, rtol=0, atol=1e-5)
    np.testing.assert_allclose(result.advantage, case["advantage"], rtol=0, atol=1e-5)


def test_the_cases_cover_every_mode_and_the_threshold():
    assert {case["settings"]["mode"] for case in CASES} == {
        "soft_grouping",
        "mean_norm",
        "mean_std_norm",
    }
    assert any(case["settings"]["similarity_threshold"] for case in CASES)


def test_the_default_differs_where_lengths_differ():
    # A success of 1 step, a failure of 3: the mean is 5 over trajectories, 2.5 over rows.
    rows = episode("g", "a", [10.0], success=True) + episode("g", "b", [0.0, 0.0, 0.0])
    default = proxmo.ProxMO(modulation=0.0)(steps_of(rows))
    released = proxmo.ProxMO.released(modulation=0.0)(steps_of(rows))
    assert default.episode == pytest.approx([5.0, -5.0, -5.0, -5.0])
    assert released.episode == pytest.approx([7.5, -2.5, -2.5, -2.5])


def test_the_released_success_rate_saturates_at_a_reward_of_ten():
    # Mean reward 2.5, clamped to 1: the success counts as one in a group that always succeeds.
    rows = episode("g", "a", [10.0], success=True)
    rows += [row for name in "bcd" for row in episode("g", name, [0.0])]
    default = proxmo.ProxMO(alpha=1.0, modulation=0.05)(steps_of(rows))
    released = proxmo.ProxMO.released(alpha=1.0, modulation=0.05)(steps_of(rows))
    assert released.episode == pytest.approx([7.5, -2.5 * 0.95, -2.5 * 0.95, -2.5 * 0.95])
    # sigmoid(3/4) - 1/2 = 0.179179, over sigmoid(1) - 1/2 = 0.231059.
    assert default.episode[0] == pytest.approx(7.5 * (1 + 0.05 * 0.179179 / 0.231059), rel=1e-6)


def test_the_released_code_judges_success_by_reward():
    rows = episode("g", "a", [0.4], success=True) + episode("g", "b", [0.0])
    default = proxmo.ProxMO(alpha=1.0)(steps_of(rows))
    released = proxmo.ProxMO.released(alpha=1.0)(steps_of(rows))
    assert default.diagnostics["credit/modulation_success"] > 1
    assert default.episode[0] > 0.2 > released.episode[0]


def test_the_released_code_takes_no_mean_off_a_group_of_one_row():
    result = proxmo.ProxMO.released(modulation=0.0)(steps_of(episode("g", "a", [10.0])))
    assert result.episode == pytest.approx([10.0])
    assert result.step == pytest.approx([0.0])
