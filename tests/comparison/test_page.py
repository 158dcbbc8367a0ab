"""The report's page in a real browser."""

import pytest
from made import NASTY


@pytest.fixture
def address(page):
    return page.as_uri()


def choose(page, name, label):
    page.select_option(f"#pick-{name}", label=label)
    page.wait_for_timeout(100)


def test_a_step_shows_its_parts_and_marks_the_states_behind_its_baseline(opened):
    page = opened()
    choose(page, "variant", "gigpo, seed 0")
    page.locator(".trajectory").nth(0).locator(".step").nth(0).click()
    told = page.locator("#detail").inner_text()
    assert "You are in the hall." in told
    # One of three solves: returns 9.025, 0 and 0 from the hall, where the mean is 3.01.
    assert "9.0" in told
    assert "3.01" in told
    page.locator(".neighbour").first.click()
    assert page.locator(".step.source").count() == 3  # all three began in the hall
    assert "this state, 3 steps, mean return 3.01" in page.locator(".neighbour").inner_text()


def test_a_method_without_a_step_level_says_so(opened):
    page = opened()
    choose(page, "variant", "grpo, seed 0")
    assert "no step-level baseline" in page.locator("#detail").inner_text()


def test_every_list_leads_to_its_group(opened):
    page = opened()
    assert page.input_value("#pick-variant") == "proxmo"  # the reference comes first
    choose(page, "update", "2")
    assert "task-0-2-" in page.locator("#pick-task").inner_text()
    before = page.locator(".trajectory").first.inner_text()
    page.select_option("#pick-task", index=1)
    page.wait_for_timeout(100)
    assert page.locator(".trajectory").first.inner_text() != before
    choose(page, "variant", "proxmo-step, seed 0")
    assert page.input_value("#pick-update") == "2"  # kept


def test_text_of_trajectories_stays_text(opened):
    page = opened()
    page.locator(".trajectory").nth(0).locator(".step").nth(1).click()
    assert NASTY in page.locator("#detail").inner_text()
    assert page.locator("#trajectories script, #detail script, main img, main b b").count() == 0
    assert page.title() == "Comparison: comparison"


def test_a_long_text_does_not_push_the_baseline_out_of_sight(opened):
    page = opened()
    page.locator("#detail .text").first.evaluate(
        "text => text.textContent += ' drawer'.repeat(900)"
    )
    assert page.locator("#detail .text").first.bounding_box()["height"] < 250
    assert page.locator("#detail").evaluate("part => part.scrollWidth <= part.clientWidth")


def test_a_long_state_behind_a_baseline_is_cut_until_it_is_clicked(opened):
    page = opened()
    state = page.locator(".neighbour").first
    state.locator(".soft").evaluate("text => text.textContent += ' drawer'.repeat(300)")
    assert state.bounding_box()["height"] < 150
    state.click()
    assert state.bounding_box()["height"] > 300
    assert page.locator(".step.source").count() > 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [400, 1400])
def test_the_page_fits_the_window(opened, fits, width, scheme):
    fits(opened(width, scheme), width, scheme)
