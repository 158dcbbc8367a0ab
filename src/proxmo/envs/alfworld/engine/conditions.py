"""Conditions of PDDL as Python: tests of one fact, loops over all that satisfy several."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from proxmo.envs.alfworld.engine import pddl
from proxmo.envs.alfworld.engine.facts import Facts
from proxmo.envs.alfworld.engine.pddl import And, Atom, Formula, Not, Or, Quantified
from proxmo.envs.alfworld.engine.program import Loops, Program, Writer
from proxmo.errors import InputError

Bound = dict[str, str]
"""PDDL variable -> Python expression of its value."""


class Conditions:
    """Writes conditions.

    `sizes` (number of facts, of distinct first and of distinct second arguments, per
    predicate, in some typical game) only decides the order of loops, never a result.
    """

    def __init__(
        self, program: Program, facts: Facts, sizes: Mapping[str, tuple[int, int, int]]
    ) -> None:
        self._program, self._facts, self._sizes = program, facts, sizes

    def condition(self, formula: Formula, bound: Bound) -> str:
        """Expression: does `formula` (in negation normal form) hold?"""
        match formula:
            case Atom(predicate, args):
                return self._facts.test(predicate, [self.value(a, bound) for a in args])
            case Not(part):
                return f"(not {self.condition(part, bound)})"
            case And(parts):
                return "(" + (" and ".join(self.condition(p, bound) for p in parts) or "True") + ")"
            case Or(parts):
                return "(" + (" or ".join(self.condition(p, bound) for p in parts) or "False") + ")"
            case Quantified(True):
                return f"(not {self.condition(pddl.negate(formula), bound)})"
            case Quantified(False):
                return self._exists(formula, bound)
        raise AssertionError(formula)

    def _exists(self, formula: Quantified, bound: Bound) -> str:
        free = sorted(pddl.free_variables(formula))
        arguments = [self._program.fresh("y") for _ in free]
        inner = dict(zip(free, arguments, strict=True))
        body = Writer(1)
        what = f"PDDL: (exists ({' '.join(name for name, _ in formula.variables)}) ...)"
        for conjuncts in self.branches(formula):
            start = body.indent
            self.join(body, conjuncts, dict(inner), lambda out, _: out.line("return True"), what)
            body.indent = start
        body.line("return False")
        name = self._program.define("exists", arguments, body)
        return f"{name}({', '.join(['S', *(self.value(v, bound) for v in free)])})"

    def value(self, arg: str, bound: Bound) -> str:
        """Expression of a variable or a constant."""
        if arg in bound:
            return bound[arg]
        if arg.startswith("?"):
            raise InputError(f"PDDL: variable {arg!r} is not bound by its condition")
        return repr(arg)

    def branches(
        self, formula: Formula, parameters: Sequence[tuple[str, str]] = ()
    ) -> list[list[Formula]]:
        """Lists of conjuncts whose disjunction is `formula`, with unique variables.

        Only disjunctions at the top are split: the others are tested in place. A variable that
        is made up begins with two question marks, as none of a domain can.
        """
        variables = list(parameters)

        def flatten(part: Formula, renamed: dict[str, str]) -> list[list[Formula]]:
            match part:
                case And(parts):
                    result: list[list[Formula]] = [[]]
                    for p in parts:
                        result = [a + b for a in result for b in flatten(p, renamed)]
                    return result
                case Quantified(False, declared, inner):
                    renamed = dict(renamed)
                    for name, kind in declared:
                        renamed[name] = self._program.fresh("??v")
                        variables.append((renamed[name], kind))
                    return flatten(inner, renamed)
            return [[_rename(part, renamed)]]

        alternatives = formula.parts if isinstance(formula, Or) else (formula,)
        branches = []
        for alternative in alternatives:
            del variables[len(parameters) :]
            conjunctions = flatten(alternative, {})
            branches += [self._typed_conjuncts(parts, variables) for parts in conjunctions]
        return branches

    def _typed_conjuncts(
        self, conjuncts: list[Formula], variables: list[tuple[str, str]]
    ) -> list[Formula]:
        """Add what the declared types of variables say and no conjunct implies."""
        typed = list(conjuncts)
        for name, kind in variables:
            if kind == "object" and any(
                isinstance(c, Atom) and name in c.args and c.predicate != "=" for c in conjuncts
            ):
                continue
            implied = any(
                isinstance(c, Atom)
                and c.predicate != "="
                and any(
                    arg == name and self._facts.domain.is_subtype(declared, kind)
                    for arg, declared in zip(
                        c.args, self._facts.domain.predicates[c.predicate], strict=True
                    )
                )
                for c in conjuncts
            )
            if not implied:
                typed.append(Atom(f"@{kind}", (name,)))
        return typed

    def join(
        self,
        out: Writer,
        conjuncts: list[Formula],
        bound: Bound,
        leaf: Callable[[Writer, Bound], None],
        what: str,
        cut: Callable[[Writer, list[Formula], Bound], bool] | None = None,
    ) -> None:
        """Write nested loops over all assignments that satisfy `conjuncts`.

        `leaf` writes what to do with one; `cut` may take over with what is left.
        `what` names the condition where it has too many assignments.
        """
        loops = Loops(out, what)
        rest = list(conjuncts)
        while rest:
            ready = [c for c in rest if pddl.free_variables(c) <= bound.keys()]
            if cut is not None and cut(out, rest, bound):
                return
            if ready:
                out.block(f"if {self.condition(ready[0], bound)}:")
                rest.remove(ready[0])
                continue
            candidates = [c for c in rest if isinstance(c, Atom) and c.predicate != "="]
            if not candidates:
                names = sorted(set().union(*(pddl.free_variables(c) for c in rest)) - bound.keys())
                raise InputError(
                    f"PDDL: {', '.join(names)} bound by no positive atom; that is not supported"
                )
            best = min(candidates, key=lambda c: self._fan_out(c, bound))
            rest.remove(best)
            unbound = list(dict.fromkeys(a for a in best.args if self.is_free(a, bound)))
            if len(best.args) == 2 and best.args[0] == best.args[1]:
                raise InputError(f"PDDL: {best.predicate} of one variable twice is not supported")
            args = [None if self.is_free(a, bound) else self.value(a, bound) for a in best.args]
            new = [self._program.fresh() for _ in unbound]
            self._facts.loop(out, best.predicate, args, new)
            loops.entered()
            bound.update(zip(unbound, new, strict=True))
        if cut is not None and cut(out, rest, bound):
            return
        leaf(out, bound)

    def is_free(self, arg: str, bound: Bound) -> bool:
        """Whether `arg` is a variable without a value yet."""
        return arg.startswith("?") and arg not in bound

    def _fan_out(self, atom: Atom, bound: Bound) -> float:
        """Expected number of facts that match."""
        facts, first, second = self._sizes.get(atom.predicate, (0, 0, 0))
        if atom.predicate.startswith("@"):
            return 1000.0  # a type says least: last
        if len(atom.args) == 2 and not self.is_free(atom.args[0], bound):
            return facts / max(first, 1)
        if len(atom.args) == 2 and not self.is_free(atom.args[1], bound):
            return facts / max(second, 1)
        return float(facts)


def _rename(formula: Formula, names: Mapping[str, str]) -> Formula:
    """`formula` with its free variables renamed."""
    match formula:
        case Atom(predicate, args):
            return Atom(predicate, tuple(names.get(a, a) for a in args))
        case Not(part):
            return Not(_rename(part, names))
        case And(parts):
            return And(tuple(_rename(p, names) for p in parts))
        case Or(parts):
            return Or(tuple(_rename(p, names) for p in parts))
        case Quantified(universal, variables, part):
            own = {name for name, _ in variables}
            inner = {k: v for k, v in names.items() if k not in own}
            return Quantified(universal, variables, _rename(part, inner))
    raise AssertionError(formula)
