"""An expert that plays ALFWorld from what an agent reads: it makes demonstrations.

It reads the task, the observations and the admissible commands, and nothing else, in the words
of ALFWorld ("move X to Y") and of ALFWorld before 0.4 ("put X in/on Y"). It does
not know where things are; it searches where such things usually are, most promising
first: chance of finding the object there, over the commands that looking there costs. For
independent places this order finds the object in the fewest commands on average.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache

from proxmo.envs.alfworld.generator.rooms import tables
from proxmo.errors import InputError

STATIONS = {"clean": "sinkbasin", "heat": "microwave", "cool": "fridge"}
"""Command that changes an object -> where that is done."""

_TASKS = (
    (r"(?:put|find) two (?P<thing>\w+) (?:and put them )?(?:in|on) (?P<place>\w+)", 2),
    (r"put (?:a|an|some) (?P<state>clean|hot|cool) (?P<thing>\w+) (?:in|on) (?P<place>\w+)", 1),
    (r"put (?:a|an|some) (?P<thing>\w+) (?:in|on) (?P<place>\w+)", 1),
    (r"(?P<state>clean|heat|cool) some (?P<thing>\w+) and put it (?:in|on) (?P<place>\w+)", 1),
    (r"look at (?P<thing>\w+) under the (?P<lamp>\w+)", 1),
    (r"examine the (?P<thing>\w+) with the (?P<lamp>\w+)", 1),
)
"""Goal sentences (full match, without the final stop), and how many objects they want."""
_INTRODUCTION = re.compile(r"Looking quickly around you, you see (.*?)\.(?:\n|$)")
_TASK = re.compile(r"Your task is to: (.*?)\.?\s*$", re.MULTILINE)
_LISTING = re.compile(
    r"(?:On the (\w+ \d+)|The (\w+ \d+) is open\. In it), you see (.*?)\.(?:\s|$)"
)
_TAKEN = re.compile(r"You pick up the (\w+ \d+) from the (\w+ \d+)\.")
_PLACED = re.compile(r"You (?:move|put) the (\w+ \d+) (?:to|in/on) the (\w+ \d+)\.")
_TREATED = re.compile(r"You (clean|heat|cool) the (\w+ \d+) using the ")
_TAKE = re.compile(r"take (\w+ \d+) from (\w+ \d+)")

UNLIKELY = 0.3
"""Weight (per mille) of a place where the table never saw the object."""
SEARCH_VARIETY = 1.5
"""With a seed, a place's promise is multiplied by up to this factor: orders differ."""


@dataclass(frozen=True, slots=True)
class HouseholdTask:
    """What a goal sentence asks for, in lower case as the agent reads it."""

    thing: str
    """Object type, such as "soapbar"."""
    place: str = ""
    """Type of the receptacle to put it in or on; empty when the task is to look at it."""
    lamp: str = ""
    """Type of the lamp to look at it under; empty otherwise."""
    treatment: str = ""
    """"clean", "heat", "cool", or empty."""
    instances: int = 1


def parse_task(sentence: str) -> HouseholdTask:
    """Read a goal sentence, such as "put a hot egg in fridge.".

    Raises `InputError` for a sentence that no official game uses (human annotations).
    """
    text = sentence.strip().removesuffix(".")
    for pattern, instances in _TASKS:
        if found := re.fullmatch(pattern, text):
            parts = found.groupdict(default="")
            state = parts.get("state", "")
            return HouseholdTask(
                thing=parts["thing"],
                place=parts.get("place", ""),
                lamp=parts.get("lamp", ""),
                treatment="heat" if state == "hot" else state,
                instances=instances,
            )
    raise InputError(
        f"the expert does not understand the task {sentence!r}; "
        "it knows the goal sentences of the official games"
    )


def _kind(name: str) -> str:
    """ "drawer 12" -> "drawer"."""
    return name.rsplit(" ", 1)[0]


def _names(listing: str) -> list[str]:
    """ "a mug 2, and a pen 1" -> ["mug 2", "pen 1"]; "nothing" -> []."""
    return re.findall(r"(?:a|an) (\w+ \d+)", listing)


@cache
def _promise(room: str, thing: str) -> dict[str, float]:
    """Receptacle type -> chance (per mille) that one of them holds a given instance."""
    for name, row in tables().rooms[room].objects.items():
        if name.lower() == thing:
            return {place.lower(): float(weight) for place, weight in row.places.items()}
    return {}


@cache
def _openable() -> dict[str, float]:
    return {name.lower(): share for name, share in tables().openable.items()}


def _guess_room(receptacles: Iterable[str]) -> str:
    """The kind of room, by a piece of furniture that no other kind has."""
    kinds = {_kind(name) for name in receptacles}
    for furniture, room in (("fridge", "kitchen"), ("toilet", "bathroom"), ("bed", "bedroom")):
        if furniture in kinds:
            return room
    return "livingroom"


@dataclass(slots=True)
class _Place:
    """What the expert knows of one receptacle."""

    name: str
    seen: bool = False
    """Whether its whole content has been seen."""
    closed: bool | None = None
    """None until it has been visited."""
    content: set[str] = field(default_factory=set)
    factor: float = 1.0

    @property
    def kind(self) -> str:
        return _kind(self.name)


class HouseholdExpert:
    """Plays one episode at a time: `reset` with the first observation, then `act`.

    The same observations and commands give the same actions. With a `seed`, ties and near
    ties in the order of the search fall differently, so that demonstrations of the same
    game vary. It may be asked for its choice while somebody else acts, as long as it is
    shown every observation: it goes on from whatever it finds.
    """

    def __init__(self, seed: int | None = None):
        self._rng = None if seed is None else random.Random(seed)
        self.task = HouseholdTask("")
        self._places: dict[str, _Place] = {}
        self._here: set[str] = set()
        self._held = ""
        self._origin = ""
        """Where the object in hand was taken from."""
        self._refusals: set[str] = set()
        """Receptacles that did not take the object in hand, though open and in reach."""
        self._treated: set[str] = set()
        self._room = ""

    def reset(self, observation: str) -> None:
        """Start an episode from its first observation, which names task and furniture.

        Raises `InputError` when either is missing or the task is not understood.
        """
        introduction, task = _INTRODUCTION.search(observation), _TASK.search(observation)
        if introduction is None or task is None:
            raise InputError(
                f"not the first observation of an ALFWorld game: {observation[:80]!r}; "
                "reset the expert with what the environment's reset returned"
            )
        self.task = parse_task(task[1])
        names = _names(introduction[1])
        factors = [
            1.0 if self._rng is None else self._rng.uniform(1, SEARCH_VARIETY) for _ in names
        ]
        self._places = {
            name: _Place(name, factor=factor) for name, factor in zip(names, factors, strict=True)
        }
        self._room = _guess_room(names)
        self._here, self._refusals, self._treated = set(), set(), set()
        self._held = self._origin = ""

    def act(self, observation: str, admissible_actions: Sequence[str]) -> str:
        """The next command, given the last observation and what is admissible now.

        Raises `InputError` before the first `reset`.
        """
        if not self.task.thing:
            raise InputError("the expert has no task; call reset(observation) before act()")
        admissible = frozenset(admissible_actions)
        self._read(observation, admissible)
        plan = self._deliver if _kind(self._held) == self.task.thing else self._fetch
        action = plan(admissible)
        return action if action in admissible else self._fall_back(admissible)

    def _read(self, observation: str, admissible: frozenset[str]) -> None:
        """Update what is known: hands, contents, doors, and which receptacles are at hand."""
        if found := _TAKEN.search(observation):
            self._held, self._origin = found[1], found[2]
            self._refusals = set()
            self._places[found[2]].content.discard(found[1])
        if found := _PLACED.search(observation):
            self._held = ""
            self._places[found[2]].content.add(found[1])
        if found := _TREATED.search(observation):
            # Heating undoes cooling and the other way round; neither undoes cleaning.
            if found[1] == self.task.treatment:
                self._treated.add(found[2])
            elif self.task.treatment != "clean" and found[1] != "clean":
                self._treated.discard(found[2])
        self._here = {name for name in self._places if f"examine {name}" in admissible}
        for name in self._here:
            place = self._places[name]
            place.closed = f"open {name}" in admissible
            # With empty hands, commands to take name all that is in reach.
            place.seen = place.seen or (not place.closed and not self._held)
        for first, second, listing in _LISTING.findall(observation):
            place = self._places.get(first or second)
            if place is not None:
                place.seen, place.content = True, set(_names(listing))
        for command in admissible:
            if found := _TAKE.fullmatch(command):
                self._places[found[2]].content.add(found[1])

    def _fetch(self, admissible: frozenset[str]) -> str:
        """Get an object that the task asks for, or look for one."""
        if self._held:
            return self._put_away(admissible)
        # What stands in the target already stays there, unless something is to be done to it.
        aim = None if self.task.treatment else self._aim()
        options = [
            (self._cost(place), thing, place)
            for place in self._places.values()
            if place is not aim
            for thing in sorted(place.content)
            if _kind(thing) == self.task.thing
        ]
        if not options:
            return self._search(self.task.thing)
        _, thing, place = min(options, key=lambda option: option[0])
        return self._reach(place) or f"take {thing} from {place.name}"

    def _put_away(self, admissible: frozenset[str]) -> str:
        """Get rid of an object that somebody else took: here, where it was, or anywhere."""
        moves = sorted(action for action in admissible if action.startswith(("move ", "put ")))
        if moves:
            return moves[0]
        self._refusals.update(name for name in self._here if not self._places[name].closed)
        names = [name for name in (self._origin, *self._places) if name not in self._refusals]
        return self._reach(self._places[names[0]]) if names else ""

    def _deliver(self, admissible: frozenset[str]) -> str:
        """The object in hand: change it, then put it down or look at it under the lamp."""
        task, held = self.task, self._held
        if task.treatment and held not in self._treated:
            return self._treat(admissible)
        if task.lamp:
            return self._light(admissible)
        target = self._aim()
        if target is None:
            return ""
        moves = {f"move {held} to {target.name}", f"put {held} in/on {target.name}"} & admissible
        going = self._reach(target)
        if not going and not moves:
            self._refusals.add(target.name)
            return self._deliver(admissible)
        return going or min(moves)

    def _treat(self, admissible: frozenset[str]) -> str:
        """Clean, heat or cool the object in hand."""
        verb = self.task.treatment
        stations = [p for p in self._places.values() if p.kind == STATIONS[verb]]
        for station in stations:
            command = f"{verb} {self._held} with {station.name}"
            if command in admissible:
                return command
        return f"go to {stations[0].name}" if stations else ""

    def _light(self, admissible: frozenset[str]) -> str:
        """Look at the object in hand under the lamp, which may have to be found."""
        switches = sorted(a for a in admissible if a.startswith(f"use {self.task.lamp} "))
        if switches:
            return switches[0]
        for place in self._places.values():
            if any(_kind(thing) == self.task.lamp for thing in place.content):
                return self._reach(place, enter=False)
        return self._search(self.task.lamp)

    def _aim(self) -> _Place | None:
        """The receptacle to fill: the one with most of the wanted objects, then the nearest.

        Two objects have to end up in the same one. None when none takes the object.
        """
        targets = [
            place
            for place in self._places.values()
            if place.kind == self.task.place and place.name not in self._refusals
        ]
        return max(targets, key=lambda p: (self._wanted(p), -self._cost(p)), default=None)

    def _wanted(self, place: _Place) -> int:
        """How many objects of the wanted type are known to be there."""
        return sum(_kind(thing) == self.task.thing for thing in place.content)

    def _search(self, thing: str) -> str:
        """Look into the most promising receptacle that has not been seen."""
        unseen = [place for place in self._places.values() if not place.seen]
        if not unseen:
            return ""
        best = max(unseen, key=lambda place: self._chance(place, thing) / self._cost(place))
        return self._reach(best) or f"examine {best.name}"

    def _chance(self, place: _Place, thing: str) -> float:
        """How likely (per mille) it is to find the object there."""
        chance = _promise(self._room, thing).get(place.kind, 0.0) or UNLIKELY
        # A task to put something somewhere, or to heat it, is set when it is not there yet.
        barred = STATIONS.get(self.task.treatment, self.task.place)
        return UNLIKELY / 10 if place.kind == barred else chance * place.factor

    def _cost(self, place: _Place) -> float:
        """Commands until the content is in reach."""
        go = 0.0 if place.name in self._here else 1.0
        door = _openable().get(place.kind, 0.0) if place.closed is None else float(place.closed)
        # Already at hand and open: one command (examine) at least, and no division by zero.
        return max(go + door, 0.5)

    def _reach(self, place: _Place, enter: bool = True) -> str:
        """The next command on the way to (the inside of) a receptacle; empty when there."""
        if place.name not in self._here:
            return f"go to {place.name}"
        return f"open {place.name}" if enter and place.closed else ""

    def _fall_back(self, admissible: frozenset[str]) -> str:
        """Nothing left to try: visit receptacles again, as what was seen was misread."""
        self._refusals = set()
        for place in self._places.values():
            place.seen = False
        doors = sorted(action for action in admissible if action.startswith(("open ", "go to ")))
        return doors[0] if doors else "look"
