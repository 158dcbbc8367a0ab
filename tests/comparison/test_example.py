"""The example comparison, from its file to its page, with the real trainer."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[2] / "examples" / "compare.toml"


@pytest.mark.slow
def test_the_example_runs_and_reports(tmp_path):
    command = [sys.executable, "-m", "proxmo", "compare", str(EXAMPLE), "--jobs", "2"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    told = []
    for _ in range(2):
        ended = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert ended.returncode == 0, ended.stderr
        assert "report/report.html" in ended.stdout
        told.append(ended.stdout)
    assert "running" in told[0]
    assert "running" not in told[1]  # nothing is left to do but the report
    page = (tmp_path / "runs" / "compare" / "report" / "report.html").read_text()
    assert "2 of 2 runs finished" in page
    assert "does not hold" not in page
