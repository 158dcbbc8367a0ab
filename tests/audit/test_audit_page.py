"""An audit's page in a real browser."""

import pytest
from audited import NASTY, RECORDS, found

from proxmo import GRPO
from proxmo.audit.folder import AuditFolder
from proxmo.audit.report import write_audit


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    folder = AuditFolder(tmp_path_factory.mktemp("made") / "audit")
    estimators = {name: GRPO() for name in ("first", "wrong", "still")}
    return write_audit(folder, found((0.0, 0.5)), RECORDS, estimators).as_uri()


def step(page, number):
    return page.locator(".trajectory").first.locator(".step").nth(number)


def choose(page, name, label):
    page.select_option(f"#pick-{name}", label=label)
    page.wait_for_timeout(100)


def test_a_step_shows_what_it_was_given_beside_what_it_was_worth(opened):
    page = opened()
    assert page.input_value("#pick-method") == "first"
    assert step(page, 1).locator(".pair").inner_text().split() == (
        ["given", "−2.00", "true", "−2.00", "±", "0.30"]
    )
    assert page.locator(".step.wrong").count() == 0
    given, true = (
        step(page, 1).locator(".pair > span").nth(n).evaluate("e => e.style.backgroundColor")
        for n in (0, 1)
    )
    assert given == true  # alike in their own standard deviations


def test_a_method_that_has_the_sign_wrong_is_marked_where_the_truth_is_clear(opened):
    page = opened()
    choose(page, "method", "wrong")
    assert "+2.00" in step(page, 1).inner_text()
    assert page.locator(".step.wrong").count() == 2  # the third step is not clear of 0
    assert "sign right on 0 of 2 clear steps" in page.locator("h4").first.inner_text()
    choose(page, "method", "still")
    assert page.locator(".step.wrong").count() == 2  # silence is not right


def test_a_clicked_step_shows_all_methods(opened):
    page = opened()
    step(page, 0).click()
    told = page.locator("#detail").inner_text()
    assert "standard error 0.30" in told
    assert "mean of 16 continuations" in told
    lines = page.locator("#detail .bars tr").all_inner_texts()
    assert [line.split() for line in lines] == [
        ["truth", "+1.00"],
        ["first", "+1.00"],
        ["wrong", "−1.00"],
        ["still", "+0.00"],
    ]
    assert page.locator("#detail .bars tr.worse").count() == 2


def test_lists_lead_to_tasks_and_to_noise(opened):
    page = opened()
    assert page.locator("#pick-task option").all_inner_texts() == [
        *(f"{solved} of 4 solved: hall-{number}" for solved, number in ((2, 1), (1, 0), (4, 2))),
    ]
    page.select_option("#pick-task", index=1)
    page.wait_for_timeout(100)
    assert "task/hall-0" in step(page, 0).inner_text()
    choose(page, "method", "wrong")
    choose(page, "noise", "0.5")
    assert page.input_value("#pick-method") == "wrong"  # kept
    assert page.locator("#detail .bars tr").count() == 4


def test_text_from_outside_stays_text(opened):
    page = opened()
    step(page, 1).click()
    assert NASTY in page.locator("#detail").inner_text()
    assert page.locator("#trajectories script, #detail script, main img, main b b").count() == 0
    assert page.title() == "Audit: audit"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [400, 1400])
def test_the_page_of_an_audit_fits_the_window(opened, fits, width, scheme):
    fits(opened(width, scheme), width, scheme)
