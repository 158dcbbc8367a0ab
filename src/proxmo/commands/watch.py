"""What a person sees of training: bars while it runs, a table and a picture at the end."""

from __future__ import annotations

import shlex
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from proxmo.cold_start.progress import SftProgress
from proxmo.config import EnvConfig, TrainConfig
from proxmo.credit import method_of
from proxmo.envs import registry
from proxmo.episodes.metrics import ERRORS
from proxmo.episodes.play import RolloutProgress
from proxmo.evaluation.curve import CurvePoint, plot_learning_curve
from proxmo.evaluation.report import comparison_table, errors_line, evaluation_table
from proxmo.evaluation.scores import Evaluation
from proxmo.progress import Bars
from proxmo.training.loop import RunResult
from proxmo.training.reporter import Reporter
from proxmo.types import FailedEpisodes

_ROLLOUT, _LOSS, _EVALUATION = "rollout", "policy update", "evaluation on unseen tasks"


class Watcher(Reporter):
    """Shows training on a terminal: one line per update, bars for what is under way."""

    def __init__(
        self, console: Console, bars: Bars, updates: int, failed_episodes: FailedEpisodes = "drop"
    ) -> None:
        self._console = console
        self._updates = updates
        self._bars = bars
        self._began = time.perf_counter()
        self._failed: FailedEpisodes = failed_episodes
        self.first_error: str | None = None
        """The first that an environment raised in an update's episodes."""

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

    def broken_off(self, update: int, errors: Sequence[str]) -> None:
        """Say so, and why the first one was."""
        if self.first_error is None:
            self.first_error = errors[0]
        self._tell(f"update {update}: " + errors_line(len(errors), errors[0], self._failed))

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
            + (f"  errors {metrics[ERRORS]:.0f}" if metrics[ERRORS] else "")
        )

    def evaluation(self, progress: RolloutProgress) -> None:
        """Show an evaluation under way."""
        self._bars.episodes(_EVALUATION, progress)

    def evaluated(self, update: int, evaluation: dict[str, Any]) -> None:
        """One line about the evaluation."""
        self._bars.hide(_EVALUATION)
        scored = Evaluation.from_dict(evaluation)
        overall = scored.overall
        when = "cold start" if update == 0 else f"after update {update}"
        self._tell(
            f"{when}: {overall.success:.1%} of {overall.episodes} unseen tasks solved "
            f"(95 % interval {100 * overall.low:.0f} to {100 * overall.high:.0f} %), "
            + (f"score {overall.score:.3f}, " if overall.score is not None else "")
            + f"{overall.steps:.1f} steps"
        )
        if overall.errors:
            self._tell(errors_line(overall.errors, scored.first_error, self._failed))

    def _show_updates(self, done: int) -> None:
        if self._console.is_terminal:  # elsewhere each update has its line
            self._bars.show("updates", done, self._updates)

    def _tell(self, line: str) -> None:
        seconds = int(time.perf_counter() - self._began)
        when = f"{seconds // 60:3d}:{seconds % 60:02d}"
        self._console.print(Text.assemble((when, "dim"), f"  {line}"))


def show_result(
    console: Console,
    config: TrainConfig,
    result: RunResult,
    curve: Path,
    first_error: str | None = None,
) -> None:
    """The gain per task type, the learning curve as a picture at `curve`, what to do next."""
    split = f"{config.env.eval_split} split of {config.env.data or 'generated tasks'}"
    spec = registry.get(config.env.name)
    evaluations = [Evaluation.from_dict(line) for line in result.evaluations]
    noise = f", noise {config.env.noise:g}" if config.env.noise else ""
    title = f"{config.env.name}, {split}{noise}"
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
        console.print(evaluation_table(evaluations[0], title, spec))
    elif evaluations:
        console.print(comparison_table(evaluations[0], evaluations[-1], title, spec))
    errors = sum(line[ERRORS] for line in result.metrics)
    if errors:
        told = errors_line(round(errors), first_error, config.rollout.failed_episodes)
        console.print(f"training: {told}")
    console.print(f"learning curve: {curve}")
    console.print(f"model:          {result.folder / 'model'}")
    default = config.env.name == EnvConfig().name
    env = "" if default else f" --env {config.env.name}"
    data = f" --data {shlex.quote(config.env.data)}" if config.env.data else ""
    noisy = f" --noise {config.env.noise:g}" if config.env.noise else ""
    told = f"--model {shlex.quote(str(result.folder))}{env}{data}{noisy}"
    console.print(f"next: proxmo evaluate {told} --tasks 500")
