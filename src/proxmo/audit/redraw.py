"""Groups drawn anew around a step that is kept: what of a credit is chance shows as what varies.

Of a group in training, all is drawn once: what came after a step, and what the others did. Here the
step is kept, what came after it is one of its continuations, and the others are continuations of
the task's start, which are whole fresh episodes. One half of the continuations makes the draws of
one side, the other half those of the other side, so that the two sides are independent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from proxmo.audit.record import Playthrough, TaskRecord
from proxmo.audit.truth import Truth, half_of
from proxmo.credit.steps import Ints

SIDES = 2


@dataclass(frozen=True, slots=True, eq=False)
class Redrawn:
    """Groups that were drawn anew, as rows of the records' steps put one behind the other."""

    rows: Ints
    """(N,) Row of each step among all steps of all records."""
    group: Ints
    """(N,) Number of its group."""
    trajectory: Ints
    """(N,) Number of its trajectory, of which no two groups share one."""
    step: Ints
    """(N,) Its place in the trajectory."""
    success: np.ndarray
    """(N,) Whether the trajectory succeeds."""
    kept: Ints
    """(2, draws, S) Where in this the kept step is, by side, draw and audited step."""


def redraw(records: Sequence[TaskRecord], truth: Truth, draws: int, seed: int = 0) -> Redrawn:
    """Draw `draws` groups a side around every audited step.

    The same seed draws the same groups. Where the environment broke off so many continuations that
    a side has fewer than the group needs, its groups are smaller.
    """
    rng = np.random.default_rng(seed)
    offsets = np.cumsum([0, *(len(record.reward) for record in records)])
    pieces: list[_Piece] = []
    kept = np.empty((SIDES, draws, len(truth)), np.intp)
    place = group = 0
    tables = [_Table(record) for record in records]
    for number in range(len(truth)):
        table, offset = tables[truth.task[number]], int(offsets[truth.task[number]])
        trajectory, step = int(truth.trajectory[number]), int(truth.step[number])
        for side in range(SIDES):
            for draw in range(draws):
                own = table.own(trajectory, step, side, rng)
                others = table.others(side, rng)
                kept[side, draw, number] = place + step
                for episode in (own, *((run,) for run in others)):
                    pieces.append(_Piece(episode, offset, group))
                    place += pieces[-1].length
                group += 1
    return _gather(pieces, kept)


@dataclass(frozen=True, slots=True)
class _Piece:
    """One trajectory of one group: runs of which each goes on from the one before."""

    runs: tuple[Playthrough, ...]
    offset: int
    group: int

    @property
    def length(self) -> int:
        return sum(run.end - run.first for run in self.runs)


class _Table:
    """The runs of a task, by what they are drawn for."""

    def __init__(self, record: TaskRecord) -> None:
        self._sampled = {run.trajectory: run for run in record.sampled}
        self._after: dict[tuple[int, int, int], list[Playthrough]] = {}
        self._fresh: dict[int, list[Playthrough]] = {0: [], 1: []}
        self._others = len(record.sampled) - 1
        for run in record.runs:
            if not run.sampled:
                self._after.setdefault((run.trajectory, run.since, half_of(run)), []).append(run)
                if run.since == 0:
                    self._fresh[half_of(run)].append(run)

    def own(
        self, trajectory: int, step: int, side: int, rng: np.random.Generator
    ) -> tuple[Playthrough, ...]:
        """The episode up to the step, and a continuation from the next one, where there is one."""
        run = self._sampled[trajectory]
        if run.first + step == run.end - 1:
            return (run,)
        following = self._after[trajectory, step + 1, side]
        chosen = following[int(rng.integers(len(following)))]
        return (_beginning(run, step + 1, chosen), chosen)

    def others(self, side: int, rng: np.random.Generator) -> list[Playthrough]:
        """The rest of the group, drawn without replacement."""
        fresh = self._fresh[side]
        count = min(self._others, len(fresh))
        return [fresh[int(place)] for place in rng.choice(len(fresh), count, replace=False)]


def _beginning(run: Playthrough, length: int, then: Playthrough) -> Playthrough:
    """The first steps of a run, with the end that `then` came to."""
    return Playthrough(
        run.trajectory, run.since, run.number, run.first, run.first + length, then.success, then.cut
    )


def _gather(pieces: Sequence[_Piece], kept: Ints) -> Redrawn:
    runs = [(run, number) for number, piece in enumerate(pieces) for run in piece.runs]
    lengths = np.array([run.end - run.first for run, _ in runs])
    starts = np.array([run.first + pieces[number].offset for run, number in runs])
    within = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    trajectory = np.repeat([number for _, number in runs], lengths)
    sizes = np.bincount(trajectory)
    return Redrawn(
        rows=np.repeat(starts, lengths) + within,
        group=np.array([piece.group for piece in pieces])[trajectory],
        trajectory=trajectory,
        step=np.arange(len(trajectory)) - np.repeat(np.cumsum(sizes) - sizes, sizes),
        success=np.array([piece.runs[-1].success for piece in pieces])[trajectory],
        kept=kept,
    )
