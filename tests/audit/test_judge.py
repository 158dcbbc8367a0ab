"""Methods are judged by how well they agree with the truth, bias and noise apart."""

from dataclasses import dataclass

import numpy as np
import pytest
from corridor import GAMMA, TASKS, CopiedCorridor, Walker

from proxmo import GRPO, Credit, GiGPO, ProxMO
from proxmo.audit import AuditSettings, audit_task, judge, truth_of
from proxmo.audit.methods import methods_named
from proxmo.audit.redraw import redraw
from proxmo.audit.scores import Bootstrap
from proxmo.credit.returns import step_returns
from proxmo.errors import InputError

SETTINGS = AuditSettings(group_size=6, trajectories=3, continuations=16)


@pytest.fixture(scope="module")
def records():
    return [audit_task(Walker("window"), CopiedCorridor, task, SETTINGS) for task in TASKS]


@dataclass(frozen=True)
class Return:
    """The step's own return: unbiased but for the value of its state, and full of chance."""

    def __call__(self, steps):
        returns = step_returns(steps, GAMMA, 0.0)
        return Credit(advantage=returns, episode=0 * returns, step=returns)


@dataclass(frozen=True)
class Places:
    """Says the same of a text whatever came of it: no chance, and nothing of the truth."""

    def __call__(self, steps):
        said = np.array([float(len(text)) for text in steps.observation])
        return Credit(advantage=said, episode=0 * said, step=said)


def test_a_method_without_chance_is_all_signal(records):
    found = judge(records, {"places": Places(), "return": Return()}, gamma=GAMMA)
    assert found.of("places").signal.value == pytest.approx(1.0)
    assert found.of("places").silent == 0
    assert found.of("return").signal.value < 0.9999


def test_taking_the_key_is_what_counts_and_the_step_level_sees_it(records):
    truth = truth_of(records, GAMMA)
    found = judge(records, methods_named(["grpo", "proxmo-step:lam=0"]), gamma=GAMMA)
    assert found.reliability.value > 0.9
    low, high = found.of("grpo").correlation.interval
    assert low < found.of("grpo").correlation.value < high
    assert found.of("proxmo-step:lam=0").silent < 1
    assert len(found.of("grpo").advantage) == len(truth)


def test_credit_of_the_batch_is_that_of_the_library(records):
    from proxmo import Steps

    found = judge(records, {"gigpo": GiGPO()}, gamma=GAMMA)
    rows = [
        (number, run, row)
        for number, record in enumerate(records)
        for run in record.sampled
        for row in range(run.first, run.end)
    ]
    steps = Steps(
        group=[records[n].task for n, _, _ in rows],
        trajectory=[f"{n}#{run.trajectory}" for n, run, _ in rows],
        step=[row - run.first for _, run, row in rows],
        observation=[records[n].observation[row] for n, _, row in rows],
        reward=[records[n].reward[row] for n, _, row in rows],
        success=[run.success for _, run, _ in rows],
        valid=[records[n].valid[row] for n, _, row in rows],
    )
    audited = [run.trajectory in records[n].audited for n, run, _ in rows]
    assert np.allclose(found.of("gigpo").advantage, GiGPO()(steps).advantage[audited])


def test_with_noise_exact_matching_falls_silent_and_likeness_does_not(records):
    methods = methods_named(["bellman", "hgpo", "proxmo-step", "grpo"], penalty=0.0)
    found = judge(records, methods, gamma=GAMMA, noise=[0.0, 1.0])
    assert found.noises == [0.0, 1.0]
    for exact in ("bellman", "hgpo"):
        assert found.of(exact, 0.0).silent < 1
        assert found.of(exact, 1.0).silent == 1
        assert found.of(exact, 1.0).correlation.value == 0
    assert found.of("proxmo-step", 1.0).silent < 1
    assert np.allclose(found.of("grpo", 1.0).advantage, found.of("grpo", 0.0).advantage)


def test_groups_drawn_anew_keep_the_step_and_what_came_before_it(records):
    truth = truth_of(records, GAMMA)
    anew = redraw(records, truth, draws=2, seed=3)
    observation = np.array([text for record in records for text in record.observation], object)
    action = np.array([text for record in records for text in record.action], object)
    offsets = np.cumsum([0, *(len(record.reward) for record in records)])
    for number in range(0, len(truth), 7):
        record = records[truth.task[number]]
        run = next(r for r in record.sampled if r.trajectory == truth.trajectory[number])
        step = int(truth.step[number])
        first = offsets[truth.task[number]] + run.first
        for side in (0, 1):
            for draw in (0, 1):
                kept = anew.kept[side, draw, number]
                rows = anew.rows[kept - step : kept + 1]
                assert (rows == np.arange(first, first + step + 1)).all()
                own = anew.trajectory == anew.trajectory[kept]
                assert (anew.step[own] == np.arange(own.sum())).all()
                assert action[anew.rows[own][-1]] == "open"  # it was played to its end
                group = anew.group == anew.group[kept]
                assert len(np.unique(anew.trajectory[group])) == 6
                assert (observation[anew.rows[group & (anew.step == 0)]] == "start").all()


def test_the_two_sides_share_no_continuation(records):
    truth = truth_of(records, GAMMA)
    anew = redraw(records, truth, draws=3, seed=0)
    row_run = np.concatenate(
        [
            np.repeat(
                [run.number for run in record.runs], [run.end - run.first for run in record.runs]
            )
            for record in records
        ]
    )
    number = row_run[anew.rows]
    side = np.empty(len(anew.rows), int)
    for s in (0, 1):
        side[np.isin(anew.group, anew.group[anew.kept[s].ravel()])] = s
    played_on = number >= 0
    assert (number[played_on] % 2 == side[played_on]).all()


def test_correlation_is_pearsons_and_its_interval_is_over_tasks():
    rng = np.random.default_rng(0)
    task = np.repeat(np.arange(20), 30)
    x = rng.normal(size=600)
    y = 0.6 * x + rng.normal(size=600)
    bootstrap = Bootstrap(task)
    found = bootstrap.correlation(x, y)
    assert found.value == pytest.approx(np.corrcoef(x, y)[0, 1])
    low, high = found.interval
    assert low < found.value < high
    assert 0.05 < high - low < 0.2
    difference = found - bootstrap.correlation(x, y + 0)
    assert difference.interval == (0, 0)
    assert bootstrap.correlation(np.zeros(600), y).value == 0
    assert bootstrap.rank_correlation(x, np.exp(x)).value == pytest.approx(1)


def test_one_task_gives_no_interval(records):
    with pytest.raises(InputError, match="steps of 1 tasks"):
        judge(records[:1], {"grpo": GRPO()})


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("proxmoo", "choose one of"),
        ("proxmo:lamb=0", "did you mean 'lam'"),
        ("proxmo:lam", "is not OPTION=VALUE"),
        ("proxmo:lam=2", "lam is 2"),
        ("proxmo:lam=x", "lam"),
    ],
)
def test_a_method_that_does_not_exist_is_refused(name, told):
    with pytest.raises(InputError, match=told):
        methods_named([name])


def test_methods_have_options_and_one_charge():
    found = methods_named(["proxmo:lam=0.5,similarity=exact", "rloo"], penalty=0.0)
    assert found["proxmo:lam=0.5,similarity=exact"] == ProxMO(
        lam=0.5, similarity="exact", invalid_action_penalty=0.0
    )
    with pytest.raises(InputError, match="named twice"):
        methods_named(["grpo", "grpo"])


def test_means_over_groups_lose_their_noise_and_keep_their_bias(records):
    found = judge(records, methods_named(["grpo", "proxmo-step:lam=0"]), gamma=GAMMA)
    for method in found.methods:
        one = found.of(method)
        single = one.expected_correlation.value * one.signal.value**0.5
        assert one.averaged(1).value == pytest.approx(single)
        four = (
            one.expected_correlation.value
            * (4 * one.signal.value / (1 + 3 * one.signal.value)) ** 0.5
        )
        assert one.averaged(4).value == pytest.approx(four)
        assert single <= four <= one.averaged(10**6).value
        assert one.averaged(10**6).value == pytest.approx(one.expected_correlation.value, abs=1e-4)
