"""The report's page in a real browser."""

import shutil
from importlib.util import find_spec

import pytest
from made import NASTY

BROWSER = shutil.which("chromium") or shutil.which("google-chrome")


@pytest.fixture(scope="module")
def browser():
    if find_spec("playwright") is None:
        pytest.skip("the package playwright is not installed")
    from playwright.sync_api import sync_playwright

    if BROWSER is None:
        pytest.skip("no Chromium is installed (Debian: apt install chromium)")
    with sync_playwright() as playwright:
        # Containers run as root, where Chromium's sandbox cannot.
        launched = playwright.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        yield launched
        launched.close()


@pytest.fixture
def address(page):
    return page.as_uri()


@pytest.fixture
def opened(browser, address):
    """Opens the page in a window of some width; what goes wrong in it fails the test."""
    pages, complaints = [], []

    def open_page(width=1400, scheme="light"):
        page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda message: complaints.append(message.text))
        page.on("request", lambda request: complaints.append(request.url))
        page.goto(address)
        page.wait_for_selector(".step.chosen")
        pages.append(page)
        return page

    yield open_page
    assert complaints == [address] * len(pages)  # it asked for itself and nothing else
    for page in pages:
        page.close()


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
def test_the_page_fits_the_window(opened, width, scheme):
    page = opened(width, scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    shown = page.locator("figure svg:visible")
    assert shown.count() == page.locator("figure").count()
    assert all(box["width"] <= width for box in (s.bounding_box() for s in shown.all()))
    # What is written can be told from what it is written on.
    ground, ink = page.evaluate(
        "[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color]"
    )
    light = [sum(map(int, c[4:-1].split(","))) / 3 for c in (ground, ink)]
    assert (light[0] > light[1]) == (scheme == "light")
    assert abs(light[0] - light[1]) > 150
