"""Actions of PDDL as Python: which are possible now, and what each changes."""

from __future__ import annotations

from proxmo.envs.alfworld.engine import pddl
from proxmo.envs.alfworld.engine.conditions import Bound, Conditions
from proxmo.envs.alfworld.engine.facts import Facts
from proxmo.envs.alfworld.engine.pddl import And, Atom, Effect, Formula, Not
from proxmo.envs.alfworld.engine.program import Program, Writer
from proxmo.envs.alfworld.engine.sentences import Sentences
from proxmo.envs.alfworld.engine.tables import BY_FIRST, BY_SECOND, MEMBERS, MEMO
from proxmo.errors import InputError

MOST_PARAMETERS = 12
"""A loop for each, one within the other: Python allows 20. The official actions have up to 6."""


class ActionCompiler:
    """Writes the functions of a domain's actions."""

    def __init__(
        self, program: Program, facts: Facts, conditions: Conditions, sentences: Sentences
    ) -> None:
        self._program, self._facts = program, facts
        self._conditions, self._sentences = conditions, sentences

    def applicable(self) -> str:
        """Write the function that lists all possible commands.

        Once only facts that never change are left to join, what remains depends on the
        variables bound so far alone, and so is computed once per game (`MEMO`): a dict
        of commands to add. What is left per step is a handful of lookups.
        """
        body = Writer(1)
        body.line("out = {}")
        for i, action in enumerate(self._facts.domain.actions):
            if action.name not in self._sentences.grammar.commands:
                raise InputError(f"grammar: no action block for {action.name!r}")
            if len(action.parameters) > MOST_PARAMETERS:
                raise InputError(
                    f"PDDL action {action.name!r} has {len(action.parameters)} parameters; at most "
                    f"{MOST_PARAMETERS} are supported"
                )
            command = self._sentences.action_text(f"command_{i}", action, "template")
            for conjuncts in self._conditions.branches(
                pddl.to_nnf(action.precondition), action.parameters
            ):
                self._schema(body, i, action, command, conjuncts)
        body.line("return out")
        return self._program.define("applicable", [], body)

    def _schema(
        self, body: Writer, i: int, action: pddl.Action, command: str, conjuncts: list[Formula]
    ) -> None:
        memo = self._program.memos
        self._program.memos += 1
        parameters = [name for name, _ in action.parameters]
        what = f"PDDL action {action.name!r}"

        def cut(out: Writer, rest: list[Formula], bound: Bound) -> bool:
            if not all(self._facts.is_static(c) for c in rest):
                return False
            needed = set(parameters).union(*(pddl.free_variables(c) for c in rest))
            known = [name for name in bound if name in needed]
            inner = {name: self._program.fresh("z") for name in known}
            tail = Writer(1)
            tail.line("found = {}")
            start = tail.indent

            def leaf(out: Writer, bound: Bound) -> None:
                values = [bound[p] for p in parameters]
                noop = self._noop(action, bound)
                if noop is not None:
                    out.block(f"if not ({noop}):")
                arguments = ", ".join(["S", *values])
                out.line(
                    f"found[{command}({arguments})] = ({i}, ({''.join(v + ', ' for v in values)}))"
                )

            self._conditions.join(tail, rest, dict(inner), leaf, what)
            tail.indent = start
            tail.line("return found")
            name = self._program.define("tail", inner.values(), tail)
            arguments = [bound[k] for k in known]
            out.line(f"key = ({''.join(a + ', ' for a in arguments)})")
            out.line("found = memo.get(key)")
            out.block("if found is None:")
            out.line(f"found = memo[key] = {name}({', '.join(['S', *arguments])})")
            out.indent -= 1
            out.line("out.update(found)")
            return True

        start = body.indent
        body.line(f"memo = S[{MEMO}][{memo}]")
        self._conditions.join(body, conjuncts, {}, lambda out, bound: None, what, cut)
        body.indent = start

    def _noop(self, action: pddl.Action, bound: Bound) -> str | None:
        """Expression: does the action require all that it brings about?

        The planner underneath the reference drops such actions: one cannot go to
        where one is. None when it never happens.
        """
        required = _literals(pddl.to_nnf(action.precondition))
        adds = [e.atom for e in action.effects if e.positive]
        tests = []
        for effect in action.effects:
            if effect.condition not in (And(()),):
                return None
            same = [a for positive, a in required if positive == effect.positive]
            if not effect.positive:
                same += adds  # an added fact is not deleted
            matches = []
            for other in same:
                if other.predicate == effect.atom.predicate:
                    pairs = zip(other.args, effect.atom.args, strict=True)
                    values = [(self._known(a, bound), self._known(b, bound)) for a, b in pairs]
                    if all(a is not None and b is not None for a, b in values):
                        equal = [f"{a} == {b}" for a, b in values if a != b]
                        matches.append("(" + (" and ".join(equal) or "True") + ")")
            if not matches:
                return None
            tests.append("(" + " or ".join(matches) + ")")
        return " and ".join(tests) or "True"

    def _known(self, arg: str, bound: Bound) -> str | None:
        return None if self._conditions.is_free(arg, bound) else self._conditions.value(arg, bound)

    def apply(self, i: int, action: pddl.Action) -> str | None:
        """Write the function that changes the state; None when nothing that matters changes."""
        effects = [e for e in action.effects if e.atom.predicate in self._facts.tracked]
        if not effects:
            return None
        bound = {name: f"a{k}" for k, (name, _) in enumerate(action.parameters)}
        body = Writer(1)
        guards: dict[int, str] = {}
        for k, effect in enumerate(effects):
            condition = self._conditions.condition(pddl.to_nnf(effect.condition), bound)
            if effect.condition != And(()):
                guards[k] = f"c{k}"
                body.line(f"c{k} = {condition}")
        # First what is deleted: a fact both deleted and added is true afterwards.
        for positive in (False, True):
            for k, effect in enumerate(effects):
                if effect.positive == positive:
                    if k in guards:
                        body.block(f"if {guards[k]}:")
                    self._change(body, effect, bound)
                    if k in guards:
                        body.indent -= 1
        return self._program.define(f"apply_{i}", bound.values(), body)

    def _change(self, out: Writer, effect: Effect, bound: Bound) -> None:
        predicate = effect.atom.predicate
        args = [self._conditions.value(a, bound) for a in effect.atom.args]
        tables = [(predicate, effect.positive)]
        if predicate in self._facts.negated:
            # Sentences may ask for "not_p": facts that an action has made false.
            tables.append((f"not_{predicate}", not effect.positive))
        for name, add in tables:
            if len(args) == 2:
                change = "insert" if add else "remove"
                first, second = (self._facts.layout.slot(name, w) for w in (BY_FIRST, BY_SECOND))
                out.line(f"{change}(S[{first}], {args[0]}, {args[1]})")
                out.line(f"{change}(S[{second}], {args[1]}, {args[0]})")
            else:
                table = self._facts.layout.slot(name, MEMBERS)
                value = args[0] if args else "()"
                out.line(f"S[{table}].{'add' if add else 'discard'}({value})")


def _literals(formula: Formula) -> list[tuple[bool, Atom]]:
    """Literals that `formula` surely implies: (is it positive, atom)."""
    match formula:
        case Atom():
            return [(True, formula)]
        case Not(Atom() as atom):
            return [(False, atom)]
        case And(parts):
            return [literal for part in parts for literal in _literals(part)]
    return []
