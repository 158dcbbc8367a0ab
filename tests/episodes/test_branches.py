"""Episodes that branch: a copy acts on its own, and recorded turns can be taken once more."""

from proxmo.envs.base import Task
from proxmo.episodes.episode import LiveEpisode
from proxmo.policies.base import Response


class Counter:
    """Says how often it was stepped."""

    def __init__(self, count=0):
        self.count = count

    def reset(self, *, seed=None, options=None):
        return "0", {"admissible_actions": ()}

    def step(self, action):
        self.count += 1
        over = self.count == 5
        return str(self.count), 1.0, over, False, {"success": over, "admissible_actions": ()}

    def close(self):
        pass


class Copied(Counter):
    def fork(self):
        return Copied(self.count)


class Breaking(Counter):
    def fork(self):
        raise OSError("no more copies")


def started(env):
    episode = LiveEpisode(Task("count", ""), 0, 0, env)
    episode.start()
    return episode


def act(episode, action="on"):
    episode.act("prompt", Response(action), action, well_formed=True)


def test_a_fork_goes_on_by_itself():
    episode = started(Copied)
    act(episode)
    other = episode.fork()
    act(other)
    act(other)
    assert (episode.observation, other.observation) == ("1", "3")
    assert (len(episode.steps), len(other.steps)) == (1, 3)
    act(episode)
    assert episode.observation == "2"


def test_only_environments_that_say_so_can_be_forked():
    assert started(Copied).forkable
    assert not started(Counter).forkable


def test_a_copy_that_fails_breaks_off_the_copy_alone():
    episode = started(Breaking)
    other = episode.fork()
    assert other.ended
    assert other.error == "OSError: no more copies"
    assert not episode.ended


def test_a_recorded_turn_is_taken_once_more_and_stays_as_it_was():
    first = started(Counter)
    act(first, "on")
    again = started(Counter)
    again.repeat(first.steps[0])
    assert again.observation == first.observation == "1"
    assert again.steps[0] is first.steps[0]
