"""The plan that solves a generated game, from full knowledge of its room."""

from __future__ import annotations

from collections.abc import Callable

from proxmo.envs.alfworld.engine.names import display_names
from proxmo.envs.alfworld.generator.goal import TREATMENTS
from proxmo.envs.alfworld.generator.layout import Receptacle, RoomLayout


def solve(layout: RoomLayout) -> list[str]:
    """Commands that reach the goal, from full knowledge of the room.

    Of several objects that would do, it takes those that lie open.
    """
    names = display_names([part.id for part in (*layout.receptacles, *layout.things)])
    goal = layout.goal
    plan: list[str] = []
    here = layout.spots[0]
    opened: set[str] = set()

    def visit(receptacle: Receptacle, enter: bool = True) -> str:
        """Go there, and open it when something goes in or out; returns its name."""
        nonlocal here
        name = names[receptacle.id]
        if receptacle.location != here:
            plan.append(f"go to {name}")
            here = receptacle.location
        if enter and receptacle.openable and name not in opened:
            plan.append(f"open {name}")
            opened.add(name)
        return name

    def first(test: Callable[[Receptacle], bool]) -> Receptacle:
        return next(receptacle for receptacle in layout.receptacles if test(receptacle))

    target = None if goal.under_lamp else first(lambda r: r.type == goal.place)
    wanted = [(t, t.inside) for t in layout.things if t.type == goal.thing and t.inside]
    wanted.sort(key=lambda pair: pair[1].openable)
    for thing, source in wanted[: goal.instances]:
        plan.append(f"take {names[thing.id]} from {visit(source)}")
        if goal.task_type in TREATMENTS:
            verb, appliance, *_ = TREATMENTS[goal.task_type]
            station = visit(first(lambda r, a=appliance: r.type == a), enter=False)
            plan.append(f"{verb} {names[thing.id]} with {station}")
        if target is not None:
            plan.append(f"move {names[thing.id]} to {visit(target)}")
    if goal.under_lamp:
        lamp, stand = next(
            (t, t.inside) for t in layout.things if t.type == goal.place and t.inside
        )
        visit(stand, enter=False)
        plan.append(f"use {names[lamp.id]}")
    return plan
