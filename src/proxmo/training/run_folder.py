"""The folder of a run: everything there is to know about it, on disk, at any moment.

config.toml                       the settings, resolved
start/                            the built-in policy it started from (others: by name)
start.digest                      a name of the weights that it started from
start.toml                        all else that decides its numbers: settings, data, prompts
metrics.jsonl                     one line per update
evaluations.jsonl                 one line per evaluation
trajectories/update_00001.parquet every step: prompt, response, reward, advantage
checkpoints/update_00001/         weights, optimizer and their digests, the last few
model/                            the policy at the end, in Hugging Face format
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import tomli_w

from proxmo.config import RUN_FILE, TrainConfig, config_dict
from proxmo.credit import Credit
from proxmo.errors import InputError, ProxmoError
from proxmo.files import LOCK, remove_unfinished, whole, write_text
from proxmo.types import Trajectory

_TABLE = re.compile(r"update_(\d+)\.parquet")


class RunFolder:
    """Where a run writes, and what it finds there when it is resumed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config_file = folder / RUN_FILE
        self.start = folder / "start"
        self.start_file = folder / "start.toml"
        self.digest_file = folder / "start.digest"
        self.lock = folder / LOCK
        self.metrics_file = folder / "metrics.jsonl"
        self.evaluations_file = folder / "evaluations.jsonl"
        self.trajectories = folder / "trajectories"
        self.checkpoints = folder / "checkpoints"
        self.model = folder / "model"

    def write_config(self, config: TrainConfig) -> None:
        """Write the settings, defaults included."""
        write_text(self.config_file, tomli_w.dumps(config_dict(config)))

    def write_digest(self, digest: str) -> None:
        """Record a name of the weights that the run starts from."""
        write_text(self.digest_file, f"{digest}\n")

    def read_digest(self) -> str | None:
        """The name of the weights that the run started from; None where it is not on record."""
        if not self.digest_file.is_file():
            return None
        try:
            return self.digest_file.read_text(encoding="utf-8").strip()
        except UnicodeDecodeError:
            raise InputError(
                f"{self.digest_file} is damaged, so that nothing says which weights the run began "
                "with; restore it, or start a new run"
            ) from None

    def check_there(self) -> None:
        """Raise `ProxmoError` when somebody deleted the folder of a run under way."""
        if not self.config_file.is_file():
            raise ProxmoError(
                f"the run folder {self.folder} was deleted while the run was at work: what it has "
                "learnt since is lost; start a new run"
            )

    def append_metrics(self, update: int, metrics: dict[str, float]) -> None:
        """Record what an update measured."""
        _append(self.metrics_file, {"update": update, **metrics})

    def append_evaluation(self, update: int, evaluation: dict[str, Any]) -> None:
        """Record an evaluation made after `update` updates."""
        _append(self.evaluations_file, {"update": update, **evaluation})

    def read_metrics(self) -> list[dict[str, Any]]:
        """The updates so far, oldest first."""
        return read_lines(self.metrics_file)

    def read_evaluations(self) -> list[dict[str, Any]]:
        """The evaluations so far, oldest first."""
        return read_lines(self.evaluations_file)

    def write_trajectories(
        self, update: int, trajectories: Sequence[Trajectory], credit: Credit
    ) -> None:
        """Write every step of an update with its advantage and the advantage's two parts."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        table = pa.Table.from_pylist(step_records(trajectories, credit))
        with whole(self.trajectories / f"update_{update:05d}.parquet") as path:
            pq.write_table(table, path, compression="zstd")

    def rewind(self, update: int) -> None:
        """Forget all that was recorded after `update` updates, and what was left half-written."""
        for path in (self.metrics_file, self.evaluations_file):
            if path.exists():
                kept = [line for line in read_lines(path) if line["update"] <= update]
                write_text(path, "".join(map(_line, kept)))
        for path in self.trajectories.glob("update_*.parquet"):
            number = _TABLE.fullmatch(path.name)
            if number and int(number[1]) > update:
                path.unlink()
        for folder in (self.folder, self.trajectories, self.checkpoints):
            remove_unfinished(folder)


def config_file(folder: Path) -> Path:
    """The settings of the run in `folder`; `InputError` when no run is there."""
    file = folder / RUN_FILE
    if not file.is_file():
        raise InputError(f"--resume {folder} is not a run: it has no {RUN_FILE}")
    return file


def step_records(trajectories: Sequence[Trajectory], credit: Credit) -> list[dict[str, Any]]:
    """One flat record per step, in the order of `credit`: trajectory by trajectory."""
    records = []
    for trajectory in trajectories:
        for number, step in enumerate(trajectory.steps):
            row = len(records)
            records.append(
                {
                    "group": trajectory.group,
                    "trajectory": trajectory.id,
                    "task_type": trajectory.task_type,
                    "seed": trajectory.seed,
                    "step": number,
                    "observation": step.observation,
                    "prompt": step.prompt,
                    "response": step.response,
                    "action": step.action,
                    "valid": step.valid,
                    "reward": step.reward,
                    "success": trajectory.success,
                    "score": trajectory.score,
                    "truncated": trajectory.truncated,
                    "error": trajectory.error or "",
                    "advantage": float(credit.advantage[row]),
                    "episode_advantage": float(credit.episode[row]),
                    "step_advantage": float(credit.step[row]),
                }
            )
    return records


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The records of a JSON Lines file; a last line cut short by a kill is not one of them.

    Raises `InputError` that names a line that is no record of an update.
    """
    if not path.exists():
        return []
    lines = path.read_bytes().split(b"\n")
    # Behind the last line's end there is nothing, or a line that was never finished.
    return [_record(path, number, line) for number, line in enumerate(lines[:-1], 1)]


def _record(path: Path, number: int, line: bytes) -> dict[str, Any]:
    try:
        record = json.loads(line.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise InputError(_damaged(path, number, str(error))) from None
    if not isinstance(record, dict) or not isinstance(record.get("update"), int):
        raise InputError(_damaged(path, number, "no record of an update"))
    return record


def _damaged(path: Path, number: int, why: str) -> str:
    return (
        f"{path}, line {number}, is damaged ({why}); put the line right, or delete it and those "
        "behind it"
    )


def _append(path: Path, record: dict[str, Any]) -> None:
    with path.open("a", encoding="utf-8") as stream:
        stream.write(_line(record))


def _line(record: dict[str, Any]) -> str:
    """A line of strict JSON, which knows neither NaN nor infinity: null stands for both."""
    try:
        return json.dumps(record, allow_nan=False) + "\n"
    except ValueError:
        return json.dumps(_finite(record), allow_nan=False) + "\n"


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
