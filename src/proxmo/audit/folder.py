"""The folder of an audit: what was played, task by task, and what came of it.

audit.json            what the record depends on: model, data, seed, how much was played
tasks/<name>.parquet  every step of a task's episodes and continuations
truth.parquet         every audited step: what it was worth, and what each method gave it
scores.json           how the methods did
report/               the page, figures and tables
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from proxmo.audit.record import TaskRecord, read_record, write_record
from proxmo.errors import InputError
from proxmo.files import LOCK, is_new, remove_unfinished, write_text

AUDIT_FILE = "audit.json"


class AuditFolder:
    """Where an audit writes, and what it finds there when it goes on."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.settings_file = folder / AUDIT_FILE
        self.tasks = folder / "tasks"
        self.lock = folder / LOCK
        self.truth_file = folder / "truth.parquet"
        self.scores_file = folder / "scores.json"
        self.report = folder / "report"

    def begin(self, settings: dict[str, Any]) -> None:
        """Put on record what the audit depends on, or see that it is what it was begun with.

        `settings` are plain values. Raises `InputError` when the folder is of something else.
        """
        if not self.settings_file.is_file():
            if not is_new(self.folder):
                raise InputError(
                    f"{self.folder} is in use for something else; give an empty folder, or a name "
                    "that does not exist"
                )
            write_text(self.settings_file, json.dumps(settings, indent=2) + "\n")
        before = self.read_settings()
        for name in sorted(before.keys() | settings.keys()):
            if before.get(name) != settings.get(name):
                raise InputError(
                    f"the audit in {self.folder} was begun with {name} {before.get(name)!r}, and "
                    f"is now asked for {settings.get(name)!r}; give another folder (--out)"
                )
        if self.tasks.is_dir():
            remove_unfinished(self.tasks)

    def read_settings(self) -> dict[str, Any]:
        """What the audit was begun with."""
        try:
            return dict(json.loads(self.settings_file.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError, RecursionError) as error:
            raise InputError(
                f"{self.settings_file} is damaged ({error}), so that nothing says what was "
                "audited; begin anew in another folder"
            ) from None

    def file_of(self, task: str) -> Path:
        """Where the record of a task is, or will be."""
        name = hashlib.blake2b(task.encode(), digest_size=10).hexdigest()
        return self.tasks / f"{name}.parquet"

    def has(self, task: str) -> bool:
        """Whether the task was played."""
        return self.file_of(task).is_file()

    def keep(self, record: TaskRecord) -> None:
        """Write a task's record."""
        write_record(self.file_of(record.task), record)

    def read(self, task: str) -> TaskRecord:
        """A task's record."""
        return read_record(self.file_of(task))
