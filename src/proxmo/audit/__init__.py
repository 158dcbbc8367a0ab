"""Credit against the truth: what each step was really worth, and which method says so.

`audit_task` samples episodes of a task and plays on from their steps, which says what each of them
was worth (`truth_of`); `judge` compares what credit methods say with that.
"""

from proxmo.audit.judge import Findings, judge
from proxmo.audit.play import AuditSettings, audit_task
from proxmo.audit.record import TaskRecord
from proxmo.audit.truth import Truth, truth_of

__all__ = ["AuditSettings", "Findings", "TaskRecord", "Truth", "audit_task", "judge", "truth_of"]
