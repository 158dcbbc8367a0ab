"""How a score came about, in words."""

from proxmo.envs.webshop.explain import explain


def test_a_purchase_without_options_asked_for_has_no_term_for_them():
    parts = {"r_type": 0.5, "r_att": 0.5, "w_att": 2 / 3, "r_price": True, "w_price": 1 / 3}
    lines = explain({"reward_parts": parts})
    assert lines[:2] == [
        "  = r_type * (w_att * r_att + w_price * r_price)",
        "  = 0.5 * (0.667 * 0.5 + 0.333 * 1)",
    ]
    assert lines[-2:] == [
        "  r_price  True   within the price asked for",
        "  w_price  0.333  weight of the price: 1 / (attributes + options + 1)",
    ]


def test_an_episode_without_a_purchase_says_so():
    assert explain({"reward_parts": {}}) == ["nothing was bought"]
