"""What holds for every test."""

import os
import shutil
import signal
from importlib.util import find_spec

import pytest

# Whoever has the official data would otherwise test with it where tests mean generated tasks.
for variable in ("ALFWORLD_DATA", "WEBSHOP_DATA"):
    os.environ.pop(variable, None)

# Under `nohup` a closed terminal is ignored, and runs respect that; tests of it begin without.
if signal.getsignal(signal.SIGHUP) == signal.SIG_IGN:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)

BROWSER = shutil.which("chromium") or shutil.which("google-chrome")


@pytest.fixture(scope="session")
def browser():
    """A real browser."""
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
def opened(browser, address):
    """Opens the page at `address` in a window of some width; what goes wrong in it fails."""
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


@pytest.fixture
def fits():
    """Says whether an opened page fits its window, and can be read."""

    def check(page, width, scheme):
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        shown = page.locator("figure svg:visible")
        assert shown.count() == page.locator("figure").count()
        assert all(box["width"] <= width for box in (s.bounding_box() for s in shown.all()))
        # What is written can be told from what it is written on.
        ground, ink = page.evaluate(
            "[getComputedStyle(document.body).backgroundColor,"
            " getComputedStyle(document.body).color]"
        )
        light = [sum(map(int, c[4:-1].split(","))) / 3 for c in (ground, ink)]
        assert (light[0] > light[1]) == (scheme == "light")
        assert abs(light[0] - light[1]) > 150

    return check
