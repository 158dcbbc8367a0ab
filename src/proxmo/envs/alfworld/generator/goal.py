"""What a generated game asks for: drawn as often as the official games set it."""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import cache
from itertools import accumulate

from proxmo.envs.alfworld.generator.rooms import tables

SENTENCES = {
    "pick_and_place_simple": ("put a {thing} in {place}.", "put some {thing} on {place}."),
    "look_at_obj_in_light": (
        "look at {thing} under the {place}.",
        "examine the {thing} with the {place}.",
    ),
    "pick_clean_then_place_in_recep": (
        "put a clean {thing} in {place}.",
        "clean some {thing} and put it in {place}.",
    ),
    "pick_heat_then_place_in_recep": (
        "put a hot {thing} in {place}.",
        "heat some {thing} and put it in {place}.",
    ),
    "pick_cool_then_place_in_recep": (
        "put a cool {thing} in {place}.",
        "cool some {thing} and put it in {place}.",
    ),
    "pick_two_obj_and_place": (
        "put two {thing} in {place}.",
        "find two {thing} and put them in {place}.",
    ),
}
"""The official goal sentences, two for each task type, used equally often."""


TREATMENTS = {
    "pick_clean_then_place_in_recep": ("clean", "SinkBasin", "cleanable", "isClean"),
    "pick_heat_then_place_in_recep": ("heat", "Microwave", "heatable", "isHot"),
    "pick_cool_then_place_in_recep": ("cool", "Fridge", "coolable", "isCool"),
}
"""Task type -> command, appliance, property the object needs, predicate it then has."""


@dataclass(frozen=True, slots=True)
class GameGoal:
    """What a game asks for."""

    task_type: str
    room: str
    thing: str
    """Object type, such as "Apple"."""
    place: str
    """Receptacle type, or the type of the lamp to look under."""
    sentence: str

    @property
    def instances(self) -> int:
        """How many instances of the object the task needs."""
        return 2 if self.task_type == "pick_two_obj_and_place" else 1

    @property
    def under_lamp(self) -> bool:
        """Whether `place` is a lamp rather than a receptacle."""
        return self.task_type == "look_at_obj_in_light"

    @property
    def needs(self) -> tuple[str, ...]:
        """Types of the objects that the task cannot do without."""
        return (self.thing, self.place) if self.under_lamp else (self.thing,)


@cache
def _goals(allowed: tuple[str, ...]) -> tuple[list[tuple[str, str, str, str]], list[int]]:
    """All (task type, room, object, place), and their cumulative official counts."""
    goals, weights = [], []
    for room in tables().rooms.values():
        for task in allowed:
            for (thing, place), weight in room.goals.get(task, {}).items():
                goals.append((task, room.name, thing, place))
                weights.append(weight)
    return goals, list(accumulate(weights))


def draw_goal(rng: random.Random, allowed: tuple[str, ...]) -> GameGoal:
    """A task, as often as the official games set it."""
    goals, cumulative = _goals(allowed)
    task, room, thing, place = rng.choices(goals, cum_weights=cumulative)[0]
    sentence = rng.choice(SENTENCES[task]).format(thing=thing.lower(), place=place.lower())
    return GameGoal(task, room, thing, place, sentence)
