"""The PDDL problem of a generated game, written as the official files are."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from proxmo.envs.alfworld.generator.goal import TREATMENTS, GameGoal
from proxmo.envs.alfworld.generator.layout import BASINS, RoomLayout, Thing
from proxmo.envs.alfworld.generator.rooms import tables


@cache
def _declarations() -> str:
    """The types of all receptacles and objects, as the official problems declare them."""
    table = tables()
    receptacles = {*table.holds, *(r for room in table.rooms.values() for r in room.receptacles)}
    objects = {
        *(name for room in table.rooms.values() for name in room.objects),
        *(name for held in table.holds.values() for name in held),
        *BASINS.values(),
    }
    lines = [f"    {name}Type - otype" for name in sorted(objects)]
    lines += [f"    {name}Type - rtype" for name in sorted(receptacles)]
    return "\n".join(lines)


def write_problem(layout: RoomLayout, name: str) -> str:
    """The PDDL problem of a layout, in the order of the official files."""
    table = tables()
    things, receptacles = layout.things, layout.receptacles
    held = {thing.type for thing in things}
    kinds = dict.fromkeys(receptacle.type for receptacle in receptacles)
    locations = dict.fromkeys(
        [part.location for part in (*receptacles, *things)] + list(layout.spots)
    )
    objects = [f"{thing.id} - object" for thing in things]
    objects += [f"{receptacle.id} - receptacle" for receptacle in receptacles]
    objects += [f"{location} - location" for location in locations]
    facts = [f"(receptacleType {r.id} {r.type}Type)" for r in receptacles]
    facts += [f"(objectType {t.id} {t.type}Type)" for t in things]
    facts += [
        f"(canContain {kind}Type {thing}Type)"
        for kind in kinds
        for thing in sorted(table.holds.get(kind, frozenset()) & held)
    ]
    facts += _properties(things, ("pickupable", "isReceptacleObject"))
    facts += [f"(openable {r.id})" for r in receptacles if r.openable]
    facts.append(f"(atLocation agent1 {layout.spots[0]})")
    facts += _properties(things, ("cleanable", "heatable", "coolable"))
    facts += [f"(isCool {t.id})" for t in things if t.cool]
    facts += _properties(things, ("toggleable", "sliceable"))
    facts += [f"(inReceptacle {t.id} {t.inside.id})" for t in things if t.inside is not None]
    facts += [f"(receptacleAtLocation {r.id} {r.location})" for r in receptacles]
    facts += [f"(objectAtLocation {t.id} {t.location})" for t in things]
    return "\n".join(
        [
            f"(define (problem plan_{name})",
            "(:domain alfred)",
            "(:objects",
            "    agent1 - agent",
            _declarations(),
            *(f"    {line}" for line in objects),
            ")",
            "(:init",
            *(f"    {fact}" for fact in facts),
            ")",
            write_goal(layout.goal),
            ")",
            "",
        ]
    )


def _properties(things: Sequence[Thing], predicates: Sequence[str]) -> list[str]:
    """Facts about what can be done with objects, one predicate after the other."""
    table = tables().properties
    lines = []
    for predicate in predicates:
        names = table["container" if predicate == "isReceptacleObject" else predicate]
        lines += [f"({predicate} {thing.id})" for thing in things if thing.type in names]
    return lines


def write_goal(goal: GameGoal) -> str:
    """The PDDL goal, as the official games state it for each task type."""
    if goal.under_lamp:
        return (
            "(:goal (and"
            "\n    (exists (?ot - object ?r - receptacle ?a - agent ?l - location) (and"
            f"\n        (objectType ?ot {goal.place}Type) (toggleable ?ot) (isToggled ?ot)"
            "\n        (receptacleAtLocation ?r ?l) (atLocation ?a ?l) (inReceptacle ?ot ?r)))"
            "\n    (exists (?o - object ?a - agent) (and"
            f"\n        (objectType ?o {goal.thing}Type) (holds ?a ?o)))))"
        )
    placed = "(objectType {o} {thing}Type) (receptacleType ?r {place}Type) (inReceptacle {o} ?r)"
    if goal.instances == 2:
        one = placed.format(o="?o1", thing=goal.thing, place=goal.place)
        two = placed.format(o="?o2", thing=goal.thing, place=goal.place)
        return (
            "(:goal (and (exists (?r - receptacle) (exists (?o1 - object) (and"
            f"\n    {one}"
            f"\n    (exists (?o2 - object) (and (not (= ?o1 ?o2))"
            f"\n        {two})))))))"
        )
    facts = placed.format(o="?o", thing=goal.thing, place=goal.place)
    if goal.task_type in TREATMENTS:
        *_, ability, result = TREATMENTS[goal.task_type]
        facts = f"({ability} ?o) ({result} ?o) {facts}"
    return f"(:goal (and (exists (?r - receptacle) (exists (?o - object) (and\n    {facts})))))"
