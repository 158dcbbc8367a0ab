"""Success may be unknown where a method does not need it; where it does, it says so."""

import numpy as np
import pytest

import proxmo

COLUMNS = {
    "group": ["g"] * 4,
    "trajectory": ["a", "a", "b", "b"],
    "step": [0, 1, 0, 1],
    "observation": ["shelf one", "desk", "shelf two", "desk"],
    "reward": [0.0, 10.0, 0.0, 0.0],
}
FLAGS = [True, True, False, False]
WITHOUT = ("grpo", "rloo", "reinforce++", "gigpo", "proxmo-step", "proxmo-released")


@pytest.mark.parametrize("name", WITHOUT)
@pytest.mark.parametrize("unknown", [{}, {"success": None}, {"success": [None] * 4}])
def test_methods_without_modulation_do_without(name, unknown):
    known = proxmo.make(name)(proxmo.Steps(**COLUMNS, success=FLAGS))
    found = proxmo.make(name)(proxmo.Steps(**COLUMNS, **unknown))
    assert np.array_equal(found.advantage, known.advantage)
    assert "credit/success_rate" in known.diagnostics
    assert "credit/success_rate" not in found.diagnostics


@pytest.mark.parametrize("name", ["proxmo", "proxmo-episode"])
def test_modulation_refuses_with_the_way_out(name):
    with pytest.raises(proxmo.InputError, match=r"success is not known.*modulation=0"):
        proxmo.make(name)(proxmo.Steps(**COLUMNS))


@pytest.mark.parametrize("name", ["proxmo", "proxmo-episode"])
def test_without_modulation_it_is_not_needed(name):
    plain = proxmo.make(name, modulation=0.0)
    known = plain(proxmo.Steps(**COLUMNS, success=FLAGS))
    assert np.array_equal(plain(proxmo.Steps(**COLUMNS)).advantage, known.advantage)


def test_half_a_column_is_refused():
    with pytest.raises(proxmo.InputError, match="success is True in row 1 and None in another"):
        proxmo.Steps(**COLUMNS, success=[None, True, None, None])
