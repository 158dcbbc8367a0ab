"""Runs the jobs of a comparison, several at once, whatever becomes of any of them."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from proxmo.comparison.jobs import Job
from proxmo.errors import InputError, ProxmoError
from proxmo.files import write_text

State = Literal["waiting", "running", "done", "failed", "skipped"]

PROXMO = (sys.executable, "-m", "proxmo")
_PATIENCE = 60.0
"""Seconds that an interrupted run has to save, before it is killed (and loses one update)."""
_LOST = ("failed", "skipped")


@dataclass(slots=True)
class Status:
    """How a job stands."""

    job: Job
    state: State = "waiting"
    why: str = ""
    """Of a failure: the last words of its log."""
    code: int | None = None
    """Of a failure: how its process exited."""


@dataclass(slots=True)
class _Process:
    status: Status
    process: subprocess.Popen[bytes] | None
    """None: another process, which a killed comparison left behind, is still at it."""
    lock: int


def run_jobs(
    jobs: Sequence[Job],
    out: Path,
    *,
    at_once: int,
    command: Sequence[str] = PROXMO,
    on_change: Callable[[Sequence[Status]], None] = lambda statuses: None,
    interval: float = 0.2,
) -> list[Status]:
    """Run all jobs that are not done, at most `at_once` together; how each of them ended.

    To be called while the comparison in `out` is locked.

    A job that fails is recorded in `out/failures.json`, what needs it is skipped, and the
    others go on. `on_change` hears how things stand every `interval` seconds. Ctrl-C is passed
    on once to the runs, which save and end; a second one kills them.
    """
    statuses = [Status(job, "done" if job.is_done() else "waiting") for job in jobs]
    live: list[_Process] = []
    with _terminated_as_interrupted():
        try:
            while live or any(status.state == "waiting" for status in statuses):
                live = [entry for entry in live if not _ended(entry, out)]
                _skip(statuses)
                for status in _startable(statuses):
                    if len(live) == at_once:
                        break
                    live.append(_start(status, out, command, at_once))
                _record_failures(statuses, out)
                on_change(statuses)
                if live:
                    time.sleep(interval)
        except KeyboardInterrupt:
            _interrupt(live)
            raise KeyboardInterrupt(
                f"interrupted; give the same command again to go on in {out}"
            ) from None
    _record_failures(statuses, out)
    on_change(statuses)
    return statuses


def threads_for(at_once: int) -> int:
    """Threads of each of several processes, so that together they have as many as cores."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return max(1, (cores or 1) // at_once)


def read_failures(out: Path) -> dict[str, str]:
    """Jobs that failed when they were last tried, with their last words."""
    file = out / "failures.json"
    if not file.is_file():
        return {}
    try:
        failures = json.loads(file.read_text(encoding="utf-8"))
        if not isinstance(failures, dict):
            raise TypeError(f"it holds a {type(failures).__name__}, not a table")
    except (ValueError, TypeError, RecursionError) as error:
        raise InputError(f"{file} is damaged ({error}); delete it") from None
    return {str(name): str(why) for name, why in failures.items()}


def log_file(out: Path, job: Job) -> Path:
    """Where what a job says is kept."""
    return out / "logs" / f"{job.name}.log"


def _startable(statuses: Sequence[Status]) -> Iterator[Status]:
    done = {status.job.name for status in statuses if status.state == "done"}
    for status in statuses:
        if status.state == "waiting" and done.issuperset(status.job.needs):
            yield status


def _skip(statuses: Sequence[Status]) -> None:
    """Give up on what needs a job that failed."""
    for status in statuses:
        lost = [s for s in statuses if s.job.name in status.job.needs and s.state in _LOST]
        if status.state == "waiting" and lost:
            status.state, status.why = "skipped", f"needs {lost[0].job.name}, which failed"


def _start(status: Status, out: Path, command: Sequence[str], at_once: int) -> _Process:
    status.state = "running"
    lock = _lock(_lock_file(out, status.job))
    if lock is None:
        return _Process(status, None, -1)
    log = log_file(out, status.job)
    log.parent.mkdir(parents=True, exist_ok=True)
    arguments = status.job.prepare()
    environment = dict(os.environ)
    environment.setdefault("OMP_NUM_THREADS", str(threads_for(at_once)))
    with log.open("ab") as stream:
        process = subprocess.Popen(
            [*command, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
            env=environment,
            pass_fds=(lock,),  # held for as long as the run lives, should this process die
            start_new_session=True,  # Ctrl-C comes from here, and once
        )
    return _Process(status, process, lock)


def _ended(entry: _Process, out: Path) -> bool:
    """Whether a process has ended; then its job's state says how."""
    status, job = entry.status, entry.status.job
    if entry.process is None:
        lock = _lock(_lock_file(out, job))
        if lock is None:
            return False
        os.close(lock)
        # However it ended: what it left is gone on with.
        status.state = "done" if job.is_done() else "waiting"
        return True
    code = entry.process.poll()
    if code is None:
        return False
    os.close(entry.lock)
    status.state = "done" if code == 0 and job.is_done() else "failed"
    if status.state == "failed":
        status.code = code
        status.why = _last_words(log_file(out, job), code)
    return True


def _last_words(log: Path, code: int) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").split("\n")
    said = [line.strip() for line in lines if line.strip()]
    how = f"killed by signal {-code}" if code < 0 else f"exit code {code}"
    return f"{how}: {said[-1]}" if said else how


def _record_failures(statuses: Sequence[Status], out: Path) -> None:
    failures = {s.job.name: s.why for s in statuses if s.state in _LOST}
    if failures != read_failures(out):
        write_text(out / "failures.json", json.dumps(failures, indent=2) + "\n")


def _interrupt(live: Sequence[_Process]) -> None:
    """Let the runs save and end; kill those that do not, or all at a second Ctrl-C."""
    processes = [entry.process for entry in live if entry.process is not None]
    try:
        for process in processes:
            with suppress(ProcessLookupError):
                process.send_signal(signal.SIGINT)
        deadline = time.monotonic() + _PATIENCE
        for process in processes:
            with suppress(subprocess.TimeoutExpired):
                process.wait(max(0.0, deadline - time.monotonic()))
    finally:
        for process in processes:
            process.kill()
            process.wait()


@contextmanager
def _terminated_as_interrupted() -> Iterator[None]:
    """Being told to end (SIGTERM, a closed terminal) is taken for Ctrl-C.

    So is Ctrl-C where it was ignored, as in a script's background jobs: the runs would inherit
    that, and could not be told to save and end.
    """

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = {}
    with suppress(ValueError):  # not the main thread: signals are none of ours
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            before[number] = signal.signal(number, interrupt)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _lock_file(out: Path, job: Job) -> Path:
    return out / "logs" / f"{job.name}.lock"


def _lock(path: Path) -> int | None:
    """Take hold of a file until the number returned is closed; None when another has it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    number = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(number)
        return None
    except OSError as error:
        os.close(number)
        raise ProxmoError(f"{path} cannot be locked ({error}); use a local disk") from error
    return number
