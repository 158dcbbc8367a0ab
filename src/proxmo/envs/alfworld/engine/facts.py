"""Which facts matter to a domain and a grammar, and Python that reads them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from proxmo.envs.alfworld.engine import pddl
from proxmo.envs.alfworld.engine.grammar import Each, Grammar
from proxmo.envs.alfworld.engine.pddl import Domain, Formula
from proxmo.envs.alfworld.engine.program import Writer
from proxmo.envs.alfworld.engine.tables import BY_FIRST, BY_SECOND, MEMBERS, TableLayout
from proxmo.errors import InputError


class Facts:
    """Predicates of a domain: where their tables are, which of them change.

    `goal_predicates` are kept up to date even if no rule or sentence reads them.
    """

    def __init__(self, domain: Domain, grammar: Grammar, goal_predicates: Iterable[str]) -> None:
        for name, types in domain.predicates.items():
            if len(types) > 2:
                raise InputError(
                    f"PDDL predicate {name!r} has {len(types)} arguments; at most 2 are supported"
                )
        self.domain = domain
        self.layout = TableLayout()
        told = _grammar_predicates(grammar)
        self.fluents = {e.atom.predicate for a in domain.actions for e in a.effects}
        self.tracked = self.fluents & (_read_predicates(domain, told) | set(goal_predicates))
        self.negated = {p for p in self.tracked if f"not_{p}" in told}
        for predicate in sorted(self.tracked):
            for name in [predicate, *([f"not_{predicate}"] if predicate in self.negated else [])]:
                for kept in (BY_FIRST, BY_SECOND) if self.arity(predicate) == 2 else (MEMBERS,):
                    self.layout.fluent.append(self.layout.slot(name, kept))

    def arity(self, predicate: str) -> int:
        """Number of arguments; "@type" stands for "is of that type"."""
        if predicate.startswith("@"):
            return 1
        return len(self.domain.predicates[predicate.removeprefix("not_")])

    def is_static(self, formula: Formula) -> bool:
        """Whether no action changes what `formula` is about."""
        return not any(atom.predicate in self.fluents for atom in pddl.atoms(formula))

    def test(self, predicate: str, args: Sequence[str]) -> str:
        """Expression: is the fact with these (Python) arguments true?"""
        if predicate == "=":
            return f"({args[0]} == {args[1]})"
        if len(args) == 2:
            table = self.layout.slot(predicate, BY_FIRST)
            return f"({args[1]} in S[{table}].get({args[0]}, ()))"
        table = self.layout.slot(predicate, MEMBERS)
        return f"({args[0] if args else '()'} in S[{table}])"

    def loop(self, out: Writer, predicate: str, args: Sequence[str | None], new: Sequence[str]):
        """Write a loop over the facts that match; `args` None stands for an unbound one.

        `new` names the Python variables for the unbound. In order of entity ids.
        """
        if len(args) == 1:
            out.block(f"for {new[0]} in sorted(S[{self.layout.slot(predicate, MEMBERS)}]):")
        elif args[0] is not None:
            table = self.layout.slot(predicate, BY_FIRST)
            out.block(f"for {new[0]} in S[{table}].get({args[0]}, ()):")
        elif args[1] is not None:
            table = self.layout.slot(predicate, BY_SECOND)
            out.block(f"for {new[0]} in S[{table}].get({args[1]}, ()):")
        else:
            table = self.layout.slot(predicate, BY_FIRST)
            out.block(f"for {new[0]} in sorted(S[{table}]):")
            out.block(f"for {new[1]} in S[{table}][{new[0]}]:")

    def has_facts(self, predicate: str, arity: int) -> bool:
        """Whether there can be such facts (facts made false exist for fluents only)."""
        positive = predicate.removeprefix("not_")
        if positive not in self.domain.predicates or self.arity(positive) != arity:
            return False
        return predicate == positive or positive in self.fluents


def _grammar_predicates(grammar: Grammar) -> set[str]:
    """Predicates, or their negations, that sentences ask for."""
    queries = [
        query
        for productions in grammar.productions.values()
        for p in productions
        for query in [p.condition, *(x.query for x in p.parts if isinstance(x, Each))]
    ]
    queries += [
        part.query
        for command in grammar.commands.values()
        for part in (*command.template, *command.feedback)
        if isinstance(part, Each)
    ]
    return {literal.predicate for query in queries for literal in query}


def _read_predicates(domain: Domain, told: set[str]) -> set[str]:
    """Predicates that sentences (those `told`) or actions read."""
    read = {name.removeprefix("not_") for name in told}
    for action in domain.actions:
        read |= {atom.predicate for atom in pddl.atoms(action.precondition)}
        for effect in action.effects:
            read |= {atom.predicate for atom in pddl.atoms(effect.condition)}
    return read
