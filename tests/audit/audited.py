"""An audit whose findings are known by hand: three tasks, three audited steps of each."""

import numpy as np

from proxmo.audit.judge import Findings, Judgement
from proxmo.audit.record import Recorder
from proxmo.audit.scores import Resampled
from proxmo.audit.truth import Truth
from proxmo.types import Step, Trajectory

NASTY = "<script>document.title = 'stolen'</script><img src=x onerror=\"document.title='stolen'\">"
WORTH = [1.0, -2.0, 0.1]
"""Of each episode's steps; all but the last are clear, as the standard error is 0.3."""
SOLVED = (1, 2, 4)
"""Of four episodes, those that solve each task: half of the second task's."""
SPREAD = np.linspace(-0.2, 0.2, 41)
"""Of a figure over resamples: its 95 % interval is 0.19 to either side."""


def episode(task, member, solved):
    seen = ["You are in the hall.", NASTY, f"You are in room {member}."]
    acts = [f"look <b>{task}</b>", "go", "take"]
    steps = tuple(
        Step(text, "", action, action, 10.0 * (solved and place == 2), valid=place != 1)
        for place, (text, action) in enumerate(zip(seen, acts, strict=True))
    )
    return Trajectory(f"{task}#{member}", task, task, "hall", 0, steps, success=solved)


def record(number, solved):
    recorder = Recorder()
    task = f"task/hall-{number}"
    for member in range(4):
        recorder.add(episode(task, member, member < solved), member)
    return recorder.record(task, "hall", 4, audited=(0,))


RECORDS = [record(number, solved) for number, solved in enumerate(SOLVED)]


def figure(value, spread=SPREAD):
    return Resampled(value, value + spread)


UNDEFINED = Resampled(float("nan"), np.full(41, np.nan))


def judgement(method, noise, advantage, correlation, expected, **other):
    return Judgement(
        method=method,
        noise=noise,
        advantage=np.tile(advantage, 3).astype(float),
        expected=np.tile(advantage, 3).astype(float),
        correlation=correlation,
        corrected=figure(correlation.value + 0.1),
        rank_correlation=figure(-0.001),
        sign=other.get("sign", figure(0.5)),
        expected_correlation=expected,
        signal=other.get("signal", figure(0.25)),
        silent=other.get("silent", 0.0),
    )


def found(noises=(0.0,)):
    """`first` gives the truth itself, `wrong` its contrary, `still` nothing; at every noise."""
    worth = np.tile(WORTH, 3)
    truth = Truth(
        task=np.repeat(np.arange(3), 3),
        trajectory=np.zeros(9, int),
        step=np.tile(np.arange(3), 3),
        value=np.tile([2.0, 3.0, 1.0], 3),
        advantage=worth,
        error=np.full(9, 0.3),
        halves=np.stack([worth - 0.1, worth + 0.1]),
        continuations=np.full(9, 16),
        left_out=0,
    )
    judgements = {}
    for noise in noises:
        for one in (
            judgement("first", noise, WORTH, figure(0.5 - noise / 4), figure(0.9)),
            # Its resamples go with those of `first`: 0.3 less in each of them.
            judgement("wrong", noise, [-1, 2, -0.1], figure(0.2 - noise / 4), figure(0.8, -SPREAD)),
            judgement(
                "still",
                noise,
                [0, 0, 0],
                Resampled(0.0, np.zeros(41)),
                UNDEFINED,
                sign=figure(0.0, 0 * SPREAD),
                signal=figure(0.0),
                silent=1.0,
            ),
        ):
            judgements[one.method, noise] = one
    return Findings(truth, figure(0.62), 2 / 3, judgements, gamma=0.95)
