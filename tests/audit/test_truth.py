"""Playing on from every step finds what it was worth, and how surely."""

from dataclasses import replace

import numpy as np
import pytest
from corridor import GAMMA, TASKS, CopiedCorridor, Corridor, FickleCorridor, Walker, true_advantages

from proxmo.audit import AuditSettings, audit_task, truth_of
from proxmo.audit.record import read_record, write_record
from proxmo.errors import InputError, ProxmoError
from proxmo.policies.scripted import ScriptedPolicy
from proxmo.types import Context

MANY = AuditSettings(group_size=4, trajectories=4, continuations=64)
FEW = AuditSettings(group_size=3, trajectories=2, continuations=4)


@pytest.mark.parametrize("context", ["window", "conversation"])
def test_the_truth_of_a_corridor_is_found_with_honest_errors(context):
    walker = Walker(context)
    records = [audit_task(walker, CopiedCorridor, task, MANY) for task in TASKS]
    truth = truth_of(records, GAMMA)
    known = np.array([a for record in records for a in true_advantages(walker, record)])
    assert len(truth) == len(known) > 100
    off = np.abs(truth.advantage - known)
    assert off.mean() < 0.15  # of a reward of 10
    covered = off <= 1.96 * truth.error + 1e-9
    open_to_chance = truth.error > 0
    # 95 %, within three standard errors of a share over so many steps, which share continuations.
    assert 0.89 <= covered[open_to_chance].mean() <= 1.0
    assert covered[~open_to_chance].all()
    assert (truth.continuations == 64).all()


def test_halves_of_the_continuations_agree_on_average_with_the_whole():
    record = audit_task(Walker("window"), CopiedCorridor, TASKS[0], FEW)
    truth = truth_of([record], GAMMA)
    assert np.allclose(truth.halves.mean(axis=0), truth.advantage)


def test_an_environment_that_is_played_anew_gives_what_a_copy_gives():
    walker = Walker("conversation")
    copied = audit_task(walker, CopiedCorridor, TASKS[0], FEW)
    replayed = audit_task(walker, Corridor, TASKS[0], FEW)
    assert replayed.runs == copied.runs
    assert replayed.action == copied.action


def test_the_same_settings_give_the_same_record_and_another_seed_another():
    walker = Walker("window")
    once, again = (audit_task(walker, CopiedCorridor, TASKS[0], FEW) for _ in range(2))
    assert once.runs == again.runs
    assert once.action == again.action
    other = audit_task(walker, CopiedCorridor, TASKS[0], replace(FEW, seed=1))
    assert other.action != once.action


def test_an_environment_that_says_something_else_is_refused_by_name():
    with pytest.raises(ProxmoError, match="task 'corridor 0' is not the same when its actions"):
        audit_task(Walker("window"), FickleCorridor, TASKS[0], FEW)


def test_a_policy_that_cannot_go_on_is_refused():
    class Forgetful:
        context: Context = "window"
        prompter = Walker.prompter

        def open(self, rngs, *, temperature, greedy):
            raise AssertionError

    with pytest.raises(InputError, match="Forgetful cannot go on from a turn"):
        audit_task(Forgetful(), CopiedCorridor, TASKS[0], FEW)


def test_what_the_environment_breaks_off_is_left_out_and_counted():
    class Trap(CopiedCorridor):
        def step(self, action):
            if action == "open" and not self.key:
                raise OSError("the door is jammed")
            return super().step(action)

        def fork(self):
            other = Trap(self.left)
            other.place, other.key = self.place, self.key
            return other

    record = audit_task(
        Walker("window"), Trap, TASKS[0], AuditSettings(group_size=8, trajectories=2)
    )
    assert record.errors > 0
    assert record.first_error == "OSError: the door is jammed"
    assert all(run.success for run in record.runs)
    assert len(record.sampled) < 8


def test_one_survivor_alone_is_not_audited():
    class Broken(CopiedCorridor):
        made = 0

        def reset(self, *, seed=None, options=None):
            Broken.made += 1
            if Broken.made > 1:
                raise OSError("no room")
            return super().reset()

    record = audit_task(Walker("window"), Broken, TASKS[0], FEW)
    assert record.audited == ()
    assert record.errors == 2
    assert len(truth_of([record])) == 0


def test_noise_for_the_policy_differs_from_continuation_to_continuation():
    policy = ScriptedPolicy(lambda row, turn, prompt: ["walk", "walk", "open"][turn])
    record = audit_task(policy, CopiedCorridor, TASKS[0], replace(FEW, noise=1.0))
    assert {text.split("\n")[0] for text in record.observation} == {"start", "place 1", "place 2"}
    seconds = [record.observation[run.first + 1] for run in record.runs if run.since == 0]
    assert len(set(seconds)) == len(seconds) > 4


def test_a_record_is_read_as_it_was_written(tmp_path):
    record = audit_task(Walker("window"), CopiedCorridor, TASKS[0], FEW)
    file = tmp_path / "record.parquet"
    write_record(file, record)
    read = read_record(file)
    for name in ("task", "task_type", "group_size", "audited", "runs", "observation", "action"):
        assert getattr(read, name) == getattr(record, name), name
    assert (read.reward == record.reward).all()
    assert (read.valid == record.valid).all()
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(InputError, match="is damaged"):
        read_record(file)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"continuations": 5}, "continuations is 5; give an even number"),
        ({"trajectories": 9}, "trajectories is 9, and a group has 8"),
        ({"continuations": 2}, "2 continuations of 2 trajectories are too few"),
        ({"group_size": 1}, "group_size"),
        ({"temperature": 0.0}, "temperature"),
        ({"noise": 2.0}, "noise is 2.0"),
    ],
)
def test_settings_out_of_range_are_refused(settings, told):
    with pytest.raises(InputError, match=told):
        AuditSettings(**settings)
