"""The tables of a comparison."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from proxmo.comparison.file import COLD_START
from proxmo.comparison.results import SCORE, SUCCESS, Measure, Results, RunRecord
from proxmo.comparison.statistics import (
    Estimate,
    aggregate,
    paired_difference,
    probability_of_improvement,
)
from proxmo.pages.table import NO_INTERVAL, Table


def final_table(results: Results, environment: str, measure: Measure = SUCCESS) -> Table:
    """How the variants ended: over seeds, and seed by seed."""
    rows = []
    for name in [COLD_START, *results.variants(environment)]:
        records = results.of(environment, name)
        if not records:
            continue
        scores = measure.final(records)
        seeds = ", ".join(
            f"{r.run.seed}: {percent(s)}" for r, s in zip(records, scores, strict=True)
        )
        whole = aggregate([scores])
        rows.append(
            (name, str(len(scores)), percent(whole.value), interval(whole), _spread(scores), seeds)
        )
    unit = f", {measure.unit}" if measure.unit else ""
    uneven = len({count for _, count, *_ in rows}) > 1
    return Table(
        f"{measure.name}-{environment}",
        f"{measure.name.capitalize()} on unseen tasks, {results.told(environment)}",
        ("variant", "seeds", f"IQM{unit}", "95 % interval", f"mean ± sd{unit}", f"each seed{unit}"),
        tuple(rows),
        "IQM: interquartile mean over seeds, with a bootstrap interval (stratified by environment, "
        "percentiles of 10,000 resamples)."
        + (" Seeds differ: the table of differences compares over those that both have." * uneven)
        + ("" if measure.unit else " Scores are told times 100."),
    )


def types_table(results: Results, environment: str) -> Table:
    """Success per task type, named and ordered as the environment does; where it grades episodes,
    score and success instead."""
    names = [COLD_START, *results.variants(environment)]
    records = {name: results.of(environment, name) for name in names}
    scored = SCORE in results.measures(environment)
    types = {} if scored else results.task_types(environment)
    rows = [
        (
            name,
            *(_over_seeds(found, kind) for kind in types),
            *([_spread(SCORE.final(found))] if scored else []),
            _spread(SUCCESS.final(found)),
        )
        for name, found in records.items()
        if found
    ]
    columns = list(types.values())
    columns += ["Score", "Success"] if scored else ["All"]
    return Table(
        f"types-{environment}",
        f"Success by task type, {results.told(environment)}",
        ("variant", *columns),
        tuple(rows),
        "Mean ± standard deviation over seeds, in %."
        + (" Score: mean episode score times 100." if scored else ""),
    )


def differences_table(
    results: Results, environments: Sequence[str], measure: Measure = SUCCESS
) -> Table:
    """The reference against every other variant, seed by seed."""
    reference = results.plan.reference
    others = dict.fromkeys(name for env in environments for name in results.variants(env))
    rows = []
    for name in others:
        pairs = [results.pairs(env, reference, name, measure) for env in environments]
        if name == reference or not all(len(mine) for mine, _ in pairs):
            continue
        ours, theirs = [mine for mine, _ in pairs], [other for _, other in pairs]
        difference = paired_difference(ours, theirs)
        chance = probability_of_improvement(ours, theirs)
        rows.append(
            (
                f"{reference} − {name}",
                str(difference.runs),
                f"{100 * difference.estimate.value:+.1f}",
                interval(difference.estimate, sign=True),
                difference.verdict,
                percent(chance.value),
                interval(chance),
            )
        )
    where = "all environments" if len(environments) > 1 else results.told(environments[0])
    return Table(
        measure.file_name("differences", "all" if len(environments) > 1 else environments[0]),
        f"Differences in {measure.name}, {where}",
        ("difference", "pairs", "points", "95 % interval", "verdict", "P(better), %", "interval"),
        tuple(rows),
        "Points: mean paired difference by seed, with Student's interval; one that includes zero "
        "is not shown. P(better): chance that a run of the first beats a run of the second.",
    )


def budget_table(results: Results, environment: str) -> Table:
    """What each variant was given, and what it took."""
    rows = []
    for name in results.variants(environment):
        records = results.of(environment, name)
        lines = [line for record in records for line in record.metrics]
        episodes = records[0].run.config.rollout
        per_update = episodes.tasks * episodes.group_size
        steps = sum(line["rollout/steps"] * per_update for line in lines) / len(records)
        tokens = sum(line.get("optim/tokens", 0) for line in lines) / len(records)
        parts = seconds_by_part(records)
        rows.append(
            (
                name,
                str(len(records[0].metrics)),
                f"{per_update * len(records[0].metrics):,}",
                f"{steps:,.0f}",
                f"{tokens:,.0f}",
                *(f"{parts.get(part, 0):.2f}" for part in ("rollout", "credit", "optim")),
            )
        )
    return Table(
        f"budget-{environment}",
        f"Budget of a run and seconds of an update, {results.told(environment)}",
        (
            "variant",
            "updates",
            "episodes",
            "environment steps",
            "sampled tokens",
            "rollout, s",
            "credit, s",
            "update, s",
        ),
        tuple(rows),
        "Updates and episodes are equal by design; steps and tokens follow from what the policy "
        "does. Seconds depend on how many runs shared the machine.",
    )


DIAGNOSTICS = {
    "credit/success_rate": "success rate",
    "credit/no_signal_groups": "groups without signal",
    "credit/alone_steps": "steps alone (singletons)",
    "credit/effective_neighbours": "effective neighbours",
    "credit/explained_variance": "explained variance",
    "rollout/invalid_actions": "invalid actions",
}
"""Metrics of an update that explain how much credit had to go on."""


def diagnostics_table(results: Results, environment: str) -> Table:
    """Means over all updates and seeds of what credit had to go on."""
    rows = []
    for name in results.variants(environment):
        lines = [line for r in results.of(environment, name) for line in r.metrics]
        cells = []
        for metric in DIAGNOSTICS:
            values = [line[metric] for line in lines if metric in line]
            cells.append(f"{np.mean(values):.3g}" if values else "")
        rows.append((name, *cells))
    return Table(
        f"diagnostics-{environment}",
        f"Diagnostics, {results.told(environment)}",
        ("variant", *DIAGNOSTICS.values()),
        tuple(rows),
        "Means over all updates and seeds. Empty: the method has no such figure.",
    )


def per_seed_table(results: Results) -> Table:
    """Every evaluation of every run, by task type: the numbers behind all others."""
    rows = []
    for record in results.records.values():
        run = record.run
        for update, line in sorted(record.evaluations.items()):
            for kind, score in [*line["types"].items(), ("all", line["overall"])]:
                rows.append(
                    (
                        run.environment,
                        run.variant,
                        str(run.seed),
                        str(update),
                        kind,
                        str(score["episodes"]),
                        str(score["successes"]),
                        f"{score['success']:.4f}",
                        f"{score['score']:.4f}" if "score" in score else "",
                    )
                )
    columns = ("environment", "variant", "seed", "update", "task type", "episodes", "successes")
    return Table("evaluations", "Every evaluation", (*columns, "success", "score"), tuple(rows))


def seconds_by_part(records: Sequence[RunRecord]) -> dict[str, float]:
    """Mean seconds of an update by part: rollout, credit, optim."""
    lines = [line for record in records for line in record.metrics]
    parts = {key for line in lines for key in line if key.startswith("seconds/")}
    return {
        key.removeprefix("seconds/"): float(np.mean([line.get(key, 0.0) for line in lines]))
        for key in parts
    }


def percent(share: float) -> str:
    """A share as a number of percent."""
    return f"{100 * share:.1f}"


def interval(estimate: Estimate, sign: bool = False) -> str:
    """The interval in percent, or a dash where the runs are too few for one."""
    if math.isnan(estimate.low):
        return NO_INTERVAL
    low, high = 100 * estimate.low, 100 * estimate.high
    return f"{low:+.1f} to {high:+.1f}" if sign else f"{low:.1f} to {high:.1f}"


def _over_seeds(records: Sequence[RunRecord], kind: str) -> str:
    found = [record.last["types"].get(kind) for record in records]
    return _spread(np.array([score["success"] for score in found if score]))


def _spread(scores: np.ndarray) -> str:
    if not len(scores):
        return "–"
    mean = percent(float(scores.mean()))
    return f"{mean} ± {percent(float(scores.std(ddof=1)))}" if len(scores) > 1 else mean
