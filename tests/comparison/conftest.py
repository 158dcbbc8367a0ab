"""One comparison and its report, which several tests read and none changes."""

import pytest
from made import make_comparison

from proxmo import cli


@pytest.fixture(scope="session")
def plan(tmp_path_factory):
    return make_comparison(tmp_path_factory.mktemp("made") / "comparison")


@pytest.fixture(scope="session")
def page(plan):
    """The report's page, as `proxmo report` writes it."""
    assert cli.main(["report", str(plan.out), "--updates", "2", "--tasks", "2"]) == 0
    return plan.out / "report" / "report.html"
