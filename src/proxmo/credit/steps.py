"""The steps of a batch as columns, validated once, so that the mathematics need not be."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from proxmo.errors import InputError

if TYPE_CHECKING:
    from proxmo.types import Trajectory

Ints = NDArray[np.intp]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

_LARGEST = 1e150
"""Size of all rewards of a group beyond which squares overflow, and a deviation is infinite."""


@dataclass(frozen=True, eq=False, repr=False, init=False)
class Steps:
    """Every step of a batch, one row each, in any order and any interleaving of groups.

    All columns have one entry per step, N in all. Drop padded rows before: a row that
    repeats the trajectory and step of another is refused, so that nothing enters a
    baseline twice.

    Raises:
        InputError: naming the row, the value and the way out, when columns differ in
            length, a reward is NaN, infinite or so large that sums of squares overflow, a
            trajectory is in two groups or has two success flags, or a step number repeats
            within a trajectory.
    """

    group: NDArray[np.object_]
    """(N,) Any hashable; shared by the trajectories sampled for the same task and start."""
    trajectory: NDArray[np.object_]
    """(N,) Any hashable, unique in the batch (not only in its group)."""
    step: Ints
    """(N,) Orders the steps of a trajectory; where it starts, and gaps, do not matter."""
    observation: NDArray[np.object_]
    """(N,) Text of the state in which the agent acted."""
    reward: Floats
    """(N,) Per step; the episode's reward is the sum over its steps."""
    success: Bools | None
    """(N,) The trajectory's flag, on each of its steps; None where nobody knows, which is enough
    for methods without modulation."""
    valid: Bools
    """(N,) Whether the step's action was one that the environment admits."""
    next_observation: NDArray[np.object_] | None
    """(N,) Text of the state that the step led to, for methods that follow transitions; None where
    it is not given: then each step leads to the next one's, and a failure ends nowhere."""

    def __init__(
        self,
        *,
        group: Sequence[Hashable] | NDArray[Any],
        trajectory: Sequence[Hashable] | NDArray[Any],
        step: ArrayLike,
        observation: Sequence[str] | NDArray[Any],
        reward: ArrayLike,
        success: ArrayLike | Sequence[bool | None] | None = None,
        valid: ArrayLike | None = None,
        next_observation: Sequence[str] | NDArray[Any] | None = None,
    ) -> None:
        """Copy the columns into arrays and check them; without `valid`, all are valid."""
        columns: dict[str, NDArray[Any]] = {
            "group": _objects(group),
            "trajectory": _objects(trajectory),
            "step": _integers("step", step),
            "observation": _strings("observation", observation),
            "reward": _numbers("reward", reward),
        }
        rows = len(columns["group"])
        columns["valid"] = np.ones(rows, bool) if valid is None else _flags("valid", valid)
        known = _known("success", success)
        if known is None:
            object.__setattr__(self, "success", None)
        else:
            columns["success"] = _flags("success", known)
        if next_observation is None:
            object.__setattr__(self, "next_observation", None)
        else:
            columns["next_observation"] = _strings("next_observation", next_observation)
        for name, column in columns.items():
            if len(column) != rows:
                raise InputError(
                    f"column {name!r} has {len(column)} rows and 'group' has {rows}; "
                    "give every column one entry per step"
                )
            column.setflags(write=False)
            object.__setattr__(self, name, column)
        if rows == 0:
            raise InputError("there are 0 steps; credit needs at least one row")
        self._check()

    @classmethod
    def from_trajectories(cls, trajectories: Sequence[Trajectory]) -> Steps:
        """The steps of recorded episodes: trajectory by trajectory, step by step.

        Raises:
            InputError: also when a trajectory has no step, which could not be told from
                one that was never sampled and would be missing from its group's mean.
        """
        return cls(**columns_of(trajectories))

    def __len__(self) -> int:
        return len(self.reward)

    def __repr__(self) -> str:
        return (
            f"Steps({len(self)} steps, {len(self.trajectory_labels)} trajectories, "
            f"{len(self.group_labels)} groups)"
        )

    # Integer ids, numbered by first appearance. Everything after this file works on them.

    @cached_property
    def _groups(self) -> tuple[Ints, list[Hashable]]:
        return factorize("group", self.group)

    @cached_property
    def _trajectories(self) -> tuple[Ints, list[Hashable]]:
        return factorize("trajectory", self.trajectory)

    @cached_property
    def _texts(self) -> tuple[Ints, list[str]]:
        return factorize("observation", self.observation)

    @property
    def group_ids(self) -> Ints:
        """(N,) Number of each step's group, in 0..len(group_labels) - 1."""
        return self._groups[0]

    @property
    def group_labels(self) -> list[Hashable]:
        """The distinct groups, by number."""
        return self._groups[1]

    @property
    def trajectory_ids(self) -> Ints:
        """(N,) Number of each step's trajectory, in 0..len(trajectory_labels) - 1."""
        return self._trajectories[0]

    @property
    def trajectory_labels(self) -> list[Hashable]:
        """The distinct trajectories, by number."""
        return self._trajectories[1]

    @property
    def text_ids(self) -> Ints:
        """(N,) Number of each step's observation text, in 0..len(texts) - 1."""
        return self._texts[0]

    @property
    def texts(self) -> list[str]:
        """The distinct observation texts of the batch, by number."""
        return self._texts[1]

    @cached_property
    def first_rows(self) -> Ints:
        """(M,) The first row of each trajectory."""
        return _first_rows(self.trajectory_ids, len(self.trajectory_labels))

    @cached_property
    def order(self) -> Ints:
        """(N,) The rows sorted by trajectory number, then by step."""
        return np.lexsort((self.step, self.trajectory_ids))

    @cached_property
    def lengths(self) -> Ints:
        """(M,) T_i, how many steps each trajectory has."""
        return np.bincount(self.trajectory_ids)

    @cached_property
    def turn(self) -> Ints:
        """(N,) The place of each step in its trajectory, from 0."""
        starts = np.cumsum(self.lengths) - self.lengths
        turn = np.empty(len(self), np.intp)
        turn[self.order] = np.arange(len(self)) - np.repeat(starts, self.lengths)
        return turn

    @cached_property
    def before(self) -> Ints:
        """(N,) The row of each step's predecessor in its trajectory; -1 for a first step."""
        rows, before = self.order, np.full(len(self), -1)
        same = self.trajectory_ids[rows[1:]] == self.trajectory_ids[rows[:-1]]
        before[rows[1:][same]] = rows[:-1][same]
        return before

    @cached_property
    def trajectory_groups(self) -> Ints:
        """(M,) Number of each trajectory's group."""
        return self.group_ids[self.first_rows]

    @cached_property
    def trajectory_rewards(self) -> Floats:
        """(M,) R_i, the sum of each trajectory's rewards."""
        # In step order: the sum must not depend on the order in which rows were given.
        rows = self.order
        totals = np.bincount(self.trajectory_ids[rows], weights=self.reward[rows])
        return totals.astype(np.float64, copy=False)

    @cached_property
    def trajectory_successes(self) -> Bools:
        """(M,) s_i, each trajectory's success flag; `InputError` where nobody knows it."""
        if self.success is None:
            raise InputError(
                "success is not known, and this method needs it; give the column 'success', or "
                "take a method without it, such as ProxMOStep, GiGPO or GRPO"
            )
        return self.success[self.first_rows]

    def _check(self) -> None:
        """Refuse what only a mistake in collecting the batch can explain."""
        first = self.first_rows[self.trajectory_ids]
        row = _first(~np.isfinite(self.reward))
        if row is not None:
            raise InputError(
                f"reward is {self.reward[row]} in {self._where(row)}; rewards must be "
                "finite: correct it, or drop the whole trajectory from the batch"
            )
        row = _first(self.group_ids != self.group_ids[first])
        if row is not None:
            raise InputError(
                f"group is {self.group[row]!r} in {self._where(row)}, but the same trajectory "
                f"is in group {self.group[first[row]]!r} in row {first[row]}; "
                "give every trajectory of the batch an id of its own"
            )
        size = np.bincount(self.group_ids, weights=np.minimum(abs(self.reward), 2 * _LARGEST))
        group = _first(size > _LARGEST)
        if group is not None:
            raise InputError(
                f"rewards of group {self.group_labels[group]!r} add up to more than "
                f"{_LARGEST:g} in size, too large to compute with; give smaller ones"
            )
        row = None if self.success is None else _first(self.success != self.success[first])
        if row is not None and self.success is not None:
            raise InputError(
                f"success is {self.success[row]} in {self._where(row)}, but "
                f"{self.success[first[row]]} in row {first[row]} of the same trajectory; "
                "give all its steps the flag that the environment reported"
            )
        trajectory, step = self.trajectory_ids[self.order], self.step[self.order]
        place = _first((trajectory[1:] == trajectory[:-1]) & (step[1:] == step[:-1]))
        if place is not None:
            row, other = self.order[place + 1], self.order[place]
            raise InputError(
                f"step number {self.step[row]} repeats in {self._where(row)}: row {other} has "
                "it too; number the steps of a trajectory, and drop padded or duplicated rows"
            )
        if self.next_observation is not None:
            self._check_successors(self.next_observation)

    def _check_successors(self, following: NDArray[np.object_]) -> None:
        """Refuse a `next_observation` that is not where the trajectory goes on."""
        rows, then = self.order[:-1], self.order[1:]
        same = self.trajectory_ids[rows] == self.trajectory_ids[then]
        place = _first(same & (following[rows] != self.observation[then]))
        if place is not None:
            row, after = rows[place], then[place]
            raise InputError(
                f"next_observation is {following[row]!r} in {self._where(row)}, but the "
                f"trajectory goes on in row {after} with {self.observation[after]!r}; give what "
                "the agent saw next"
            )

    def _where(self, row: int) -> str:
        return f"row {row} (trajectory {self.trajectory[row]!r}, step {self.step[row]})"


def columns_of(trajectories: Sequence[Trajectory]) -> dict[str, list[Any]]:
    """The arguments of `Steps` for recorded episodes, as `Steps.from_trajectories` takes them."""
    for trajectory in trajectories:
        if not trajectory.steps:
            raise InputError(
                f"trajectory {trajectory.id!r} of group {trajectory.group!r} has 0 steps; "
                "record the step at which it ended, or leave the whole group out"
            )
    rows = [
        (trajectory, number, step)
        for trajectory in trajectories
        for number, step in enumerate(trajectory.steps)
    ]
    return {
        "group": [trajectory.group for trajectory, _, _ in rows],
        "trajectory": [trajectory.id for trajectory, _, _ in rows],
        "step": [number for _, number, _ in rows],
        "observation": [step.observation for _, _, step in rows],
        "reward": [step.reward for _, _, step in rows],
        "success": [trajectory.success for trajectory, _, _ in rows],
        "valid": [step.valid for _, _, step in rows],
    }


def factorize(name: str, labels: Iterable[Any]) -> tuple[Ints, list[Any]]:
    """Number equal labels alike, by first appearance: (numbers, distinct labels)."""
    labels = list(labels)
    try:
        number = {label: i for i, label in enumerate(dict.fromkeys(labels))}
    except TypeError:
        row = next(i for i, label in enumerate(labels) if not _hashable(label))
        raise InputError(
            f"{name} is {labels[row]!r} in row {row}, which cannot be hashed; "
            "use a string or a number"
        ) from None
    return np.fromiter(map(number.__getitem__, labels), np.intp, len(labels)), list(number)


def _hashable(label: Any) -> bool:
    try:
        hash(label)
    except TypeError:
        return False
    return True


def _first(wrong: Bools) -> int | None:
    """Index of the first True, if there is one."""
    return int(wrong.argmax()) if wrong.any() else None


def _first_rows(ids: Ints, count: int) -> Ints:
    """The first row in which each of `count` ids occurs."""
    first = np.empty(count, np.intp)
    # Written from the last row to the first, so that the first row has the last word.
    first[ids[::-1]] = np.arange(len(ids) - 1, -1, -1)
    return first


def _objects(values: Sequence[Any] | NDArray[Any]) -> NDArray[np.object_]:
    """An object array of the values themselves, also when they are tuples."""
    # Arrays and tensors hand out Python's own values, which hash alike when equal.
    listed = _listed(values)
    listed = listed if isinstance(listed, list) else list(listed)
    return np.fromiter(listed, dtype=object, count=len(listed))


def _listed(values: Any) -> Any:
    """The values of an array or a tensor as a list; what is neither as it is."""
    tolist = getattr(values, "tolist", None)
    return values if tolist is None else tolist()


def _strings(name: str, values: Sequence[str] | NDArray[Any]) -> NDArray[np.object_]:
    column = _objects(values)
    if not all(issubclass(kind, str) for kind in set(map(type, column))):
        row = next(row for row, value in enumerate(column) if not isinstance(value, str))
        raise InputError(
            f"{name} is {column[row]!r} in row {row}; give the text that the agent saw"
        )
    return column


def _numbers(name: str, values: ArrayLike) -> Floats:
    try:
        # A tensor hands out numbers whatever its type and place, and if it has a gradient.
        listed = values if isinstance(values, np.ndarray) else _listed(values)
        column = np.array(listed, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        raise InputError(f"{name} {_no_number(values)}; give one number per step") from None
    if column.ndim != 1:
        raise InputError(f"{name} has shape {column.shape}; give one number per step")
    return column


def _no_number(values: Any) -> str:
    """What is wrong with values that numpy cannot read as a column of numbers."""
    for row, value in enumerate(values):
        try:
            float(value)
        except (TypeError, ValueError, OverflowError):
            return f"is {value!r} in row {row}"
    return "cannot be read as numbers"


def _integers(name: str, values: ArrayLike) -> Ints:
    column = _numbers(name, values)
    row = _first(~np.isfinite(column) | (column != np.floor(column)))
    if row is not None:
        raise InputError(f"{name} is {column[row]} in row {row}; give whole numbers")
    return column.astype(np.intp)


def _known(name: str, values: Any) -> ArrayLike | None:
    """The column, or None where it is left out or unknown in every row."""
    if values is None or (isinstance(values, np.ndarray) and values.dtype != object):
        return values
    listed: Any = _listed(values)
    if not isinstance(listed, Sequence) or not any(value is None for value in listed):
        return listed
    row = next((row for row, value in enumerate(listed) if value is not None), None)
    if row is None:
        return None
    raise InputError(
        f"{name} is {listed[row]!r} in row {row} and None in another; give it for every step, or "
        "leave the column out"
    )


def _flags(name: str, values: ArrayLike) -> Bools:
    column = _numbers(name, values)
    row = _first((column != 0) & (column != 1))
    if row is not None:
        raise InputError(f"{name} is {column[row]} in row {row}; give True or False")
    return column.astype(np.bool_)
