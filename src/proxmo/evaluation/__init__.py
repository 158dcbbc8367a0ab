"""How good an agent is: success per task type with intervals, lengths, invalid actions."""

from proxmo.evaluation.evaluate import Evaluation, Score, evaluate, summarize

__all__ = ["Evaluation", "Score", "evaluate", "summarize"]
