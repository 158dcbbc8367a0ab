"""Tasks of an audit, spread over processes of which each has a core and a policy of its own."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from proxmo.audit.play import AuditSettings, audit_task
from proxmo.audit.record import TaskRecord
from proxmo.config import PolicyConfig
from proxmo.envs import registry
from proxmo.envs.base import Task
from proxmo.policies.base import Policy


@dataclass(frozen=True, slots=True)
class Player:
    """Who plays what: all that another process needs to make policy and environment."""

    policy: PolicyConfig
    env: str
    prompt_tokens: int
    options: dict[str, Any]
    """Of `EnvSpec.make`."""
    settings: AuditSettings

    def load(self) -> Policy:
        """The policy."""
        from proxmo.policies.transformers import load_policy

        spec = registry.get(self.env)
        return load_policy(self.policy, prompt_tokens=self.prompt_tokens, codec=spec.make_codec())

    def make_env(self) -> Any:
        """An environment for one episode."""
        return registry.get(self.env).make(**self.options)


def play_tasks(player: Player, tasks: Sequence[Task], jobs: int) -> Iterator[TaskRecord]:
    """Audit the tasks, `jobs` at once; their records as they come, in any order.

    The records do not depend on `jobs`: each task is played by one process, on one thread.
    """
    if jobs == 1 or len(tasks) == 1:
        with _one_thread():
            policy = player.load()
            for task in tasks:
                yield _audit(policy, player, task)
        return
    # Not forked: a process with threads, as torch's is, must not be.
    pool = ProcessPoolExecutor(
        min(jobs, len(tasks)),
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_begin,
        initargs=(player,),
    )
    try:
        left = {pool.submit(_play, task) for task in tasks}
        while left:
            done, left = wait(left, return_when=FIRST_COMPLETED)
            for future in done:
                yield future.result()
    except BaseException:
        for process in multiprocessing.active_children():
            process.terminate()  # what they were at is played again
        raise
    finally:
        pool.shutdown(cancel_futures=True)


@contextmanager
def _one_thread() -> Iterator[None]:
    """A small model gains little from a second thread, and loses much where something else runs."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


_playing: Callable[[Task], TaskRecord] | None = None
"""In a process of the pool: plays a task."""


def _begin(player: Player) -> None:
    """Make a process of the pool ready."""
    import torch

    global _playing
    # Ctrl-C reaches all processes of a terminal; the one that waits for these ends them.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    torch.set_num_threads(1)
    policy = player.load()
    _playing = partial(_audit, policy, player)


def _end_with_parent() -> None:
    """End this process when the one that started it has ended, in whatever way."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _audit(policy: Policy, player: Player, task: Task) -> TaskRecord:
    return audit_task(policy, player.make_env, task, player.settings)


def _play(task: Task) -> TaskRecord:
    assert _playing is not None
    return _playing(task)
