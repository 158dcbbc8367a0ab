"""What a person sees of training: bars while it runs, a table and a picture at the end."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from proxmo.cold_start.sft import SftProgress
from proxmo.config import EnvConfig, TrainConfig
from proxmo.credit import method_of
from proxmo.episodes.play import RolloutProgress
from proxmo.evaluation.curve import CurvePoint, plot_learning_curve
from proxmo.evaluation.evaluate import Evaluation
from proxmo.evaluation.report import comparison_table, evaluation_table
from proxmo.progress import Bars
from proxmo.training.loop import RunResult
from proxmo.training.reporter import Reporter

_ROLLOUT, _LOSS, _EVALUATION = "rollout", "policy update", "evaluation on unseen tasks"


class Watcher(Reporter):
    """Shows training on a terminal: one line per update, bars for what is under way."""

    def __init__(self, console: Console, bars: Bars, updates: int) -> None:
        self._console = console
        self._updates = updates
        self._bars = bars
        self._began = time.perf_counter()

    def cold_start(self, progress: SftProgress) -> None:
        """Show the making of the built-in policy."""
        if progress.stage == "demonstrations" and progress.done == 1:
            self._tell("making the built-in policy: it imitates an expert, and not for long")
        self._bars.cold_start(progress)

    def begun(self, folder: Path, done: int) -> None:
        """Say where the run lives."""
        self._bars.hide_all()
        going = f"goes on after update {done}" if done else "begins"
        self._tell(f"run {folder} {going}")
        self._show_updates(done)

    def rollout(self, update: int, progress: RolloutProgress) -> None:
        """Show the episodes of an update."""
        self._bars.episodes(_ROLLOUT, progress)

    def optimizing(self, update: int, done: int, total: int) -> None:
        """Show the loss at work."""
        self._bars.hide(_ROLLOUT)
        self._bars.show(_LOSS, done, total)

    def updated(self, update: int, metrics: dict[str, float]) -> None:
        """One line about the update."""
        self._bars.hide(_LOSS)
        self._show_updates(update)
        seconds = sum(value for name, value in metrics.items() if name.startswith("seconds/"))
        self._tell(
            f"update {update:3d}/{self._updates}  success {metrics['rollout/success_rate']:4.0%}  "
            f"steps {metrics['rollout/steps']:4.1f}  "
            f"invalid {metrics['rollout/invalid_actions']:4.0%}  "
            f"kl {metrics['optim/kl']:.3f}  {seconds:.0f} s"
        )

    def evaluation(self, progress: RolloutProgress) -> None:
        """Show an evaluation under way."""
        self._bars.episodes(_EVALUATION, progress)

    def evaluated(self, update: int, evaluation: dict[str, Any]) -> None:
        """One line about the evaluation."""
        self._bars.hide(_EVALUATION)
        overall = Evaluation.from_dict(evaluation).overall
        when = "cold start" if update == 0 else f"after update {update}"
        self._tell(
            f"{when}: {overall.success:.1%} of {overall.episodes} unseen tasks solved "
            f"(95 % interval {100 * overall.low:.0f} to {100 * overall.high:.0f} %), "
            + (f"score {overall.score:.3f}, " if overall.score is not None else "")
            + f"{overall.steps:.1f} steps"
        )

    def _show_updates(self, done: int) -> None:
        if self._console.is_terminal:  # elsewhere each update has its line
            self._bars.show("updates", done, self._updates)

    def _tell(self, line: str) -> None:
        seconds = int(time.perf_counter() - self._began)
        when = f"{seconds // 60:3d}:{seconds % 60:02d}"
        self._console.print(Text.assemble((when, "dim"), f"  {line}"))


def show_result(console: Console, config: TrainConfig, result: RunResult, curve: Path) -> None:
    """The gain per task type, the learning curve as a picture at `curve`, what to do next."""
    split = f"{config.env.eval_split} split of {config.env.data or 'generated tasks'}"
    evaluations = [Evaluation.from_dict(line) for line in result.evaluations]
    title = f"{config.env.name}, {split}"
    plot_learning_curve(
        curve,
        [(line["update"], line["rollout/success_rate"]) for line in result.metrics],
        [
            CurvePoint(line["update"], score.success, score.low, score.high)
            for line, score in zip(
                result.evaluations, (e.overall for e in evaluations), strict=True
            )
        ],
        # Matplotlib takes what stands between dollar signs for mathematics.
        title=f"{method_of(config.credit)} on {title}".replace("$", r"\$"),
    )
    if len(evaluations) == 1:
        console.print(evaluation_table(evaluations[0], title))
    elif evaluations:
        console.print(comparison_table(evaluations[0], evaluations[-1], title))
    console.print(f"learning curve: {curve}")
    console.print(f"model:          {result.folder / 'model'}")
    default = config.env.name == EnvConfig().name
    env = "" if default else f" --env {config.env.name}"
    data = f" --data {config.env.data}" if config.env.data else ""
    console.print(f"next: proxmo evaluate --model {result.folder}{env}{data} --tasks 500")
