"""Goals as Python: one function for all goals that differ in constants alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from proxmo.envs.alfworld.engine import pddl
from proxmo.envs.alfworld.engine.conditions import Conditions
from proxmo.envs.alfworld.engine.pddl import And, Atom, Formula, Not, Or, Quantified
from proxmo.envs.alfworld.engine.program import Program, Writer
from proxmo.envs.alfworld.engine.tables import Slots


class GoalCompiler:
    """Compiles goals into a namespace that has the functions written before."""

    def __init__(self, program: Program, conditions: Conditions, namespace: dict[str, Any]) -> None:
        self._program, self._conditions, self._namespace = program, conditions, namespace
        self._forms: dict[Formula, Callable[..., bool]] = {}

    def test(self, formula: Formula) -> Callable[[Slots], bool]:
        """The test of `formula` (once per form: constants are arguments)."""
        constants: dict[str, str] = {}
        form = _abstract(pddl.to_nnf(formula), constants)
        if form not in self._forms:
            self._forms[form] = self._compile(form, list(constants.values()))
        test, values = self._forms[form], tuple(constants)
        return lambda slots: test(slots, *values)

    def _compile(self, form: Formula, constants: list[str]) -> Callable[..., bool]:
        done = len(self._program.functions)
        body = Writer(1)
        bound = {name: f"k{k}" for k, name in enumerate(constants)}
        body.line(f"return {self._conditions.condition(form, bound)}")
        name = self._program.define("goal", bound.values(), body)
        return self._program.execute(self._program.functions[done:], self._namespace)[name]


def _abstract(formula: Formula, constants: dict[str, str]) -> Formula:
    """`formula` with its constants replaced by variables, which are listed in `constants`.

    They are called ??k0, ??k1, ...: no variable of a domain has two question marks."""
    match formula:
        case Atom(predicate, args):
            return Atom(
                predicate,
                tuple(
                    a if a.startswith("?") else constants.setdefault(a, f"??k{len(constants)}")
                    for a in args
                ),
            )
        case Not(part):
            return Not(_abstract(part, constants))
        case And(parts):
            return And(tuple(_abstract(p, constants) for p in parts))
        case Or(parts):
            return Or(tuple(_abstract(p, constants) for p in parts))
        case Quantified(universal, variables, part):
            return Quantified(universal, variables, _abstract(part, constants))
    raise AssertionError(formula)
