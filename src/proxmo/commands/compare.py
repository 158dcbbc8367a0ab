"""`proxmo compare`: run methods on the same terms, and say which is better and by how much."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from rich.console import Console
from rich.table import Table
from tyro.conf import Positional, arg

from proxmo.commands.board import Board
from proxmo.commands.console import make_console
from proxmo.commands.options import parse_options
from proxmo.comparison.cost import Cost, cost_of
from proxmo.comparison.file import FILE_NAME
from proxmo.comparison.jobs import is_finished, jobs_of
from proxmo.comparison.plan import Plan, episodes_per_update, load_plan
from proxmo.comparison.runner import PROXMO, Status, log_file, run_jobs
from proxmo.errors import BAD_INPUT, InputError, ProxmoError
from proxmo.files import LOCK, locked, write_text


@dataclass(frozen=True)
class CompareOptions:
    """Compare methods over seeds and environments on equal budgets, and report.

    What is on disk is gone on with: the same command continues a comparison that was stopped, and
    adds seeds, variants and updates that the file has gained.
    """

    file: Positional[Path]
    """TOML file of the comparison, or the folder of one."""
    jobs: Annotated[int, arg(aliases=["-j"])] = 1
    """Runs at once, at least 1; they share the cores."""
    dry_run: bool = False
    """Show the runs and their cost, and stop."""


def _write_report(plan: Plan) -> Path:
    from proxmo.comparison.report import write_report  # a second of imports

    return write_report(plan)


def main(
    arguments: Sequence[str],
    command: Sequence[str] = PROXMO,
    report: Callable[[Plan], Path] = _write_report,
) -> None:
    """Run what is not done, then write the report; `command` starts proxmo."""
    options = parse_options(CompareOptions, arguments, prog="proxmo compare")
    if options.jobs < 1:
        raise InputError(f"--jobs is {options.jobs}; give at least 1")
    console = make_console()
    plan = load_plan(options.file)
    jobs = jobs_of(plan)
    if options.dry_run:
        show_plan(console, plan)
        show_cost(console, cost_of(plan))
        return
    file = options.file / FILE_NAME if options.file.is_dir() else options.file
    with _alone(plan.out), Board(console, jobs) as board:
        write_text(plan.out / FILE_NAME, file.read_text(encoding="utf-8"))
        statuses = run_jobs(
            jobs, plan.out, at_once=options.jobs, command=command, on_change=board.show
        )
    if any(is_finished(run) for run in plan.runs):
        console.print(f"report: {report(plan)}")
    _complain(statuses, plan.out)


def _alone(out: Path) -> AbstractContextManager[None]:
    """Refuse to work where another comparison does."""
    return locked(out / LOCK, f"the comparison in {out}")


def _complain(statuses: Sequence[Status], out: Path) -> None:
    """Raise for jobs that failed, naming these and only counting what needs them.

    When every one of them says that its input was bad, so was the comparison's: `InputError`.
    """
    failed = [status for status in statuses if status.state == "failed"]
    if not failed:
        return
    told = "; ".join(f"{s.job.name} ({s.why}; see {log_file(out, s.job)})" for s in failed)
    message = f"{len(failed)} of {len(statuses)} jobs failed: {told}. "
    skipped = sum(status.state == "skipped" for status in statuses)
    if skipped:
        message += f"{skipped} more that need{'s' * (skipped == 1)} what failed did not start. "
    message += "Give the same command to try them again"
    bad_input = all(status.code == BAD_INPUT for status in failed)
    raise InputError(message) if bad_input else ProxmoError(message)


def show_plan(console: Console, plan: Plan) -> None:
    """The variants with their settings, budgets and seeds."""
    table = Table(title=f"comparison in {plan.out}", title_justify="left")
    for column in ("variant", "kind", "settings", "seeds"):
        table.add_column(column)
    for variant in plan.variants:
        settings = {**variant.credit, **variant.rollout}
        told = ", ".join(f"{key} {value}" for key, value in settings.items())
        seeds = ", ".join(map(str, variant.seeds))
        table.add_row(variant.name, variant.kind, told, seeds)
    console.print(table)
    for environment in plan.environments:
        config = next(run.config for run in plan.runs if run.environment == environment)
        console.print(
            f"{environment}: {config.optim.updates} updates of {episodes_per_update(config)} "
            f"episodes per run; {config.run.eval_tasks or 'all'} tasks per evaluation"
        )
    console.print(f"compared with: {plan.reference}")


def show_cost(console: Console, cost: Cost) -> None:
    """What is left to do and how long it may take."""
    console.print(
        f"{cost.runs} runs, {cost.finished} finished; to do: {cost.updates} updates, "
        f"{cost.episodes:,} episodes (at most {cost.steps:,} environment steps) and "
        f"{cost.evaluation_episodes:,} episodes of evaluation"
    )
    if cost.seconds_per_update is not None:
        hours = cost.updates * cost.seconds_per_update / 3600
        console.print(
            f"time: about {hours:.1f} hours one after another without evaluations, by the "
            f"{cost.seconds_per_update:.1f} s that an update took here"
        )
    elif cost.core_hours is not None:
        console.print(
            f"time: about {cost.core_hours:.1f} core-hours without evaluations, by what an "
            "episode costs the built-in policy on a CPU"
        )
    else:
        console.print("time: known after the first update; run this again then")
