"""Turning a domain and a grammar into Python functions.

Official games share one domain and one grammar, so this runs once: the rules and
the sentences become plain loops over a game's tables (`TableLayout`), with no
interpretation left at run time. Every function takes the state as a list of slots:

    slots[NAMES]   entity -> name shown
    slots[TASK]    the goal's sentence
    slots[MEMO]    memory shared by all episodes of a game (see `_Compiler.applicable`)
    slots[k]       a table of one predicate, as `TableLayout` says
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from proxmo.envs.alfworld.engine import pddl
from proxmo.envs.alfworld.engine.grammar import Each, Expression, Grammar, Part, Query, Symbol, Text
from proxmo.envs.alfworld.engine.pddl import And, Atom, Domain, Effect, Formula, Not, Or, Quantified
from proxmo.errors import InputError

NAMES, TASK, MEMO = 0, 1, 2
FIRST_TABLE = 3

Slots = list[Any]
Operation = tuple[int, tuple[str, ...]]
"""A ground action: index of its schema, arguments."""

MEMBERS, BY_FIRST, BY_SECOND = "members", "by_first", "by_second"
"""How a table is kept: a set of entities (unary predicates), or a dict from one
argument to the sorted tuple of the others (binary predicates)."""


@dataclass
class TableLayout:
    """Which tables a state consists of, and where they are."""

    index: dict[tuple[str, str], int] = field(default_factory=dict)
    """(predicate, way of keeping) -> slot."""
    fluent: list[int] = field(default_factory=list)
    """Slots that actions change: what an episode needs a copy of."""

    def slot(self, predicate: str, kept: str) -> int:
        """The slot of a table, made when it is asked for first."""
        return self.index.setdefault((predicate, kept), FIRST_TABLE + len(self.index))


@dataclass
class Rules:
    """A compiled domain and grammar."""

    domain: Domain
    layout: TableLayout
    memos: int
    """How many memo dicts a game needs."""
    applicable: Callable[[Slots], dict[str, Operation]]
    """All commands that are possible now."""
    apply: list[Callable[..., None] | None]
    """Per schema: change the state; None when nothing that matters changes."""
    feedback: list[Callable[..., str]]
    """Per schema: the answer, after the change."""
    intro: Callable[[Slots], str]
    goal: Callable[[Formula], Callable[[Slots], bool]]
    """Compiles a goal (once per form: constants are arguments)."""


def compile_rules(
    domain: Domain,
    grammar: Grammar,
    sizes: Mapping[str, tuple[int, int, int]],
    goal_predicates: Iterable[str],
) -> Rules:
    """Compile `domain` and `grammar`.

    `sizes` (number of facts, of distinct first and of distinct second arguments, per
    predicate, in some typical game) only decides the order of loops, never a result.
    `goal_predicates` are kept up to date even if no rule or sentence reads them.
    """
    return _Compiler(domain, grammar, sizes, goal_predicates).rules()


def insert_fact(table: dict[str, tuple[str, ...]], key: str, value: str) -> None:
    """Add `value` to the sorted tuple at `key`."""
    values = table.get(key, ())
    if value not in values:
        table[key] = tuple(sorted((*values, value)))


def remove_fact(table: dict[str, tuple[str, ...]], key: str, value: str) -> None:
    """Take `value` out of the sorted tuple at `key`."""
    values = table.get(key, ())
    if value in values:
        table[key] = tuple(v for v in values if v != value)


class _Writer:
    """Lines of Python with indentation."""

    def __init__(self, indent: int = 0):
        self.lines: list[str] = []
        self.indent = indent

    def line(self, text: str) -> None:
        self.lines.append("    " * self.indent + text)

    def block(self, text: str) -> None:
        self.line(text)
        self.indent += 1


Bound = dict[str, str]
"""PDDL variable -> Python expression of its value."""
Placeholders = dict[tuple[str, str], str]
"""Grammar placeholder (name, type) -> Python variable."""


class _Compiler:
    def __init__(
        self,
        domain: Domain,
        grammar: Grammar,
        sizes: Mapping[str, tuple[int, int, int]],
        goal_predicates: Iterable[str],
    ):
        for name, types in domain.predicates.items():
            if len(types) > 2:
                raise InputError(
                    f"PDDL predicate {name!r} has {len(types)} arguments; at most 2 are supported"
                )
        self.domain, self.grammar, self.sizes = domain, grammar, sizes
        self.layout = TableLayout()
        self.functions: list[str] = []
        self.texts: dict[tuple, str] = {}
        self.memos = 0
        self.counter = 0
        self.fluents = {e.atom.predicate for a in domain.actions for e in a.effects}
        self.tracked = self.fluents & (self._read_predicates() | set(goal_predicates))
        self.negated = {p for p in self.tracked if f"not_{p}" in self._grammar_predicates()}
        for predicate in sorted(self.tracked):
            for name in [predicate, *([f"not_{predicate}"] if predicate in self.negated else [])]:
                for kept in self._ways(predicate):
                    self.layout.fluent.append(self.layout.slot(name, kept))

    def rules(self) -> Rules:
        applicable = self._applicable()
        apply, feedback = [], []
        for i, action in enumerate(self.domain.actions):
            apply.append(self._apply(i, action))
            feedback.append(self._action_text(f"feedback_{i}", action, "feedback"))
        intro = self._symbol("intro", {})
        namespace = self._execute(self.functions)
        goals: dict[Formula, Callable[..., bool]] = {}

        def goal(formula: Formula) -> Callable[[Slots], bool]:
            constants: dict[str, str] = {}
            form = _abstract(pddl.to_nnf(formula), constants)
            if form not in goals:
                goals[form] = self._goal(form, list(constants.values()), namespace)
            test, values = goals[form], tuple(constants)
            return lambda slots: test(slots, *values)

        return Rules(
            self.domain,
            self.layout,
            self.memos,
            namespace[applicable],
            [namespace[name] if name else None for name in apply],
            [namespace[name] for name in feedback],
            namespace[intro],
            goal,
        )

    # -- tables -------------------------------------------------------------------

    def _ways(self, predicate: str) -> tuple[str, ...]:
        return (BY_FIRST, BY_SECOND) if self._arity(predicate) == 2 else (MEMBERS,)

    def _arity(self, predicate: str) -> int:
        if predicate.startswith("@"):
            return 1
        return len(self.domain.predicates[predicate.removeprefix("not_")])

    def _is_static(self, formula: Formula) -> bool:
        return not any(atom.predicate in self.fluents for atom in pddl.atoms(formula))

    def _test(self, predicate: str, args: Sequence[str]) -> str:
        """Expression: is the fact with these (Python) arguments true?"""
        if predicate == "=":
            return f"({args[0]} == {args[1]})"
        if len(args) == 2:
            table = self.layout.slot(predicate, BY_FIRST)
            return f"({args[1]} in S[{table}].get({args[0]}, ()))"
        table = self.layout.slot(predicate, MEMBERS)
        return f"({args[0] if args else '()'} in S[{table}])"

    def _loop(self, out: _Writer, predicate: str, args: Sequence[str | None], new: Sequence[str]):
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

    def _fresh(self, prefix: str = "x") -> str:
        self.counter += 1
        return f"{prefix}{self.counter}"

    def _define(self, prefix: str, arguments: Iterable[str], body: _Writer) -> str:
        name = self._fresh(prefix + "_")
        header = f"def {name}({', '.join(['S', *arguments])}):"
        self.functions.append("\n".join([header, *body.lines]))
        return name

    def _execute(self, functions: list[str], namespace: dict[str, Any] | None = None):
        namespace = (
            {"insert": insert_fact, "remove": remove_fact} if namespace is None else namespace
        )
        exec(compile("\n\n".join(functions), "<alfworld rules>", "exec"), namespace)
        return namespace

    # -- which predicates matter --------------------------------------------------

    def _grammar_predicates(self) -> set[str]:
        queries = [
            query
            for productions in self.grammar.productions.values()
            for p in productions
            for query in [p.condition, *(x.query for x in p.parts if isinstance(x, Each))]
        ]
        queries += [
            part.query
            for command in self.grammar.commands.values()
            for part in (*command.template, *command.feedback)
            if isinstance(part, Each)
        ]
        return {literal.predicate for query in queries for literal in query}

    def _read_predicates(self) -> set[str]:
        read = {name.removeprefix("not_") for name in self._grammar_predicates()}
        for action in self.domain.actions:
            read |= {atom.predicate for atom in pddl.atoms(action.precondition)}
            for effect in action.effects:
                read |= {atom.predicate for atom in pddl.atoms(effect.condition)}
        return read

    # -- conditions ---------------------------------------------------------------

    def _condition(self, formula: Formula, bound: Bound) -> str:
        """Expression: does `formula` (in negation normal form) hold?"""
        match formula:
            case Atom(predicate, args):
                return self._test(predicate, [self._value(a, bound) for a in args])
            case Not(part):
                return f"(not {self._condition(part, bound)})"
            case And(parts):
                return (
                    "(" + (" and ".join(self._condition(p, bound) for p in parts) or "True") + ")"
                )
            case Or(parts):
                return (
                    "(" + (" or ".join(self._condition(p, bound) for p in parts) or "False") + ")"
                )
            case Quantified(True):
                return f"(not {self._condition(pddl.negate(formula), bound)})"
            case Quantified(False):
                return self._exists(formula, bound)
        raise AssertionError(formula)

    def _exists(self, formula: Quantified, bound: Bound) -> str:
        free = sorted(pddl.free_variables(formula))
        arguments = [self._fresh("y") for _ in free]
        inner = dict(zip(free, arguments, strict=True))
        body = _Writer(1)
        for conjuncts in self._branches(formula):
            start = body.indent
            self._join(body, conjuncts, dict(inner), lambda out, _: out.line("return True"))
            body.indent = start
        body.line("return False")
        name = self._define("exists", arguments, body)
        return f"{name}({', '.join(['S', *(self._value(v, bound) for v in free)])})"

    def _value(self, arg: str, bound: Bound) -> str:
        if arg in bound:
            return bound[arg]
        if arg.startswith("?"):
            raise InputError(f"PDDL: variable {arg!r} is not bound by its condition")
        return repr(arg)

    def _branches(
        self, formula: Formula, parameters: Sequence[tuple[str, str]] = ()
    ) -> list[list[Formula]]:
        """Lists of conjuncts whose disjunction is `formula`, with unique variables.

        Only disjunctions at the top are split: the others are tested in place.
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
                        renamed[name] = self._fresh("?v")
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
                    arg == name and self.domain.is_subtype(declared, kind)
                    for arg, declared in zip(
                        c.args, self.domain.predicates[c.predicate], strict=True
                    )
                )
                for c in conjuncts
            )
            if not implied:
                typed.append(Atom(f"@{kind}", (name,)))
        return typed

    def _join(
        self,
        out: _Writer,
        conjuncts: list[Formula],
        bound: Bound,
        leaf: Callable[[_Writer, Bound], None],
        cut: Callable[[_Writer, list[Formula], Bound], bool] | None = None,
    ) -> None:
        """Write nested loops over all assignments that satisfy `conjuncts`.

        `leaf` writes what to do with one; `cut` may take over with what is left.
        """
        rest = list(conjuncts)
        while rest:
            ready = [c for c in rest if pddl.free_variables(c) <= bound.keys()]
            if cut is not None and cut(out, rest, bound):
                return
            if ready:
                out.block(f"if {self._condition(ready[0], bound)}:")
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
            unbound = list(dict.fromkeys(a for a in best.args if self._is_free(a, bound)))
            if len(best.args) == 2 and best.args[0] == best.args[1]:
                raise InputError(f"PDDL: {best.predicate} of one variable twice is not supported")
            args = [None if self._is_free(a, bound) else self._value(a, bound) for a in best.args]
            new = [self._fresh() for _ in unbound]
            self._loop(out, best.predicate, args, new)
            bound.update(zip(unbound, new, strict=True))
        if cut is not None and cut(out, rest, bound):
            return
        leaf(out, bound)

    def _is_free(self, arg: str, bound: Bound) -> bool:
        return arg.startswith("?") and arg not in bound

    def _fan_out(self, atom: Atom, bound: Bound) -> float:
        """Expected number of facts that match."""
        facts, first, second = self.sizes.get(atom.predicate, (0, 0, 0))
        if atom.predicate.startswith("@"):
            return 1000.0  # a type says least: last
        if len(atom.args) == 2 and not self._is_free(atom.args[0], bound):
            return facts / max(first, 1)
        if len(atom.args) == 2 and not self._is_free(atom.args[1], bound):
            return facts / max(second, 1)
        return float(facts)

    # -- actions ------------------------------------------------------------------

    def _applicable(self) -> str:
        """Write the function that lists all possible commands.

        Once only facts that never change are left to join, what remains depends on the
        variables bound so far alone, and so is computed once per game (`MEMO`): a dict
        of commands to add. What is left per step is a handful of lookups.
        """
        body = _Writer(1)
        body.line("out = {}")
        for i, action in enumerate(self.domain.actions):
            if action.name not in self.grammar.commands:
                raise InputError(f"grammar: no action block for {action.name!r}")
            command = self._action_text(f"command_{i}", action, "template")
            for conjuncts in self._branches(pddl.to_nnf(action.precondition), action.parameters):
                self._schema(body, i, action, command, conjuncts)
        body.line("return out")
        return self._define("applicable", [], body)

    def _schema(
        self, body: _Writer, i: int, action: pddl.Action, command: str, conjuncts: list[Formula]
    ) -> None:
        memo = self.memos
        self.memos += 1
        parameters = [name for name, _ in action.parameters]

        def cut(out: _Writer, rest: list[Formula], bound: Bound) -> bool:
            if not all(self._is_static(c) for c in rest):
                return False
            needed = set(parameters).union(*(pddl.free_variables(c) for c in rest))
            known = [name for name in bound if name in needed]
            inner = {name: self._fresh("z") for name in known}
            tail = _Writer(1)
            tail.line("found = {}")
            start = tail.indent

            def leaf(out: _Writer, bound: Bound) -> None:
                values = [bound[p] for p in parameters]
                noop = self._noop(action, bound)
                if noop is not None:
                    out.block(f"if not ({noop}):")
                arguments = ", ".join(["S", *values])
                out.line(
                    f"found[{command}({arguments})] = ({i}, ({''.join(v + ', ' for v in values)}))"
                )

            self._join(tail, rest, dict(inner), leaf)
            tail.indent = start
            tail.line("return found")
            name = self._define("tail", inner.values(), tail)
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
        self._join(body, conjuncts, {}, lambda out, bound: None, cut)
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
        return None if self._is_free(arg, bound) else self._value(arg, bound)

    def _apply(self, i: int, action: pddl.Action) -> str | None:
        effects = [e for e in action.effects if e.atom.predicate in self.tracked]
        if not effects:
            return None
        bound = {name: f"a{k}" for k, (name, _) in enumerate(action.parameters)}
        body = _Writer(1)
        guards: dict[int, str] = {}
        for k, effect in enumerate(effects):
            condition = self._condition(pddl.to_nnf(effect.condition), bound)
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
        return self._define(f"apply_{i}", bound.values(), body)

    def _change(self, out: _Writer, effect: Effect, bound: Bound) -> None:
        predicate = effect.atom.predicate
        args = [self._value(a, bound) for a in effect.atom.args]
        tables = [(predicate, effect.positive)]
        if predicate in self.negated:
            # Sentences may ask for "not_p": facts that an action has made false.
            tables.append((f"not_{predicate}", not effect.positive))
        for name, add in tables:
            if len(args) == 2:
                change = "insert" if add else "remove"
                first, second = (self.layout.slot(name, w) for w in (BY_FIRST, BY_SECOND))
                out.line(f"{change}(S[{first}], {args[0]}, {args[1]})")
                out.line(f"{change}(S[{second}], {args[1]}, {args[0]})")
            else:
                table = self.layout.slot(name, MEMBERS)
                value = args[0] if args else "()"
                out.line(f"S[{table}].{'add' if add else 'discard'}({value})")

    def _goal(
        self, form: Formula, constants: list[str], namespace: dict[str, Any]
    ) -> Callable[..., bool]:
        done = len(self.functions)
        body = _Writer(1)
        bound = {name: name.removeprefix("?") for name in constants}
        body.line(f"return {self._condition(form, bound)}")
        name = self._define("goal", bound.values(), body)
        return self._execute(self.functions[done:], namespace)[name]

    # -- sentences ----------------------------------------------------------------

    def _action_text(self, name: str, action: pddl.Action, which: str) -> str:
        """A function from an action's arguments to its command or its feedback."""
        if action.name not in self.grammar.commands:
            raise InputError(f"grammar: no action block for {action.name!r}")
        parts = getattr(self.grammar.commands[action.name], which)
        if which == "template":
            self._require_static(action.name, parts)
        context: Placeholders = {
            (p.removeprefix("?"), kind): f"v{k}" for k, (p, kind) in enumerate(action.parameters)
        }
        body = _Writer(1)
        body.line(f"return {self._parts(parts, context)}")
        return self._define(name, context.values(), body)

    def _require_static(self, action: str, parts: Sequence[Part]) -> None:
        for part in parts:
            if isinstance(part, Symbol) or (
                isinstance(part, Each) and isinstance(part.part, Symbol)
            ):
                raise InputError(f"grammar: symbols in the template of {action!r} not supported")
            if isinstance(part, Each) and {q.predicate for q in part.query} & self.fluents:
                raise InputError(f"grammar: the template of {action!r} depends on the state")

    def _parts(self, parts: Sequence[Part], context: Placeholders) -> str:
        pieces = []
        for part in parts:
            match part:
                case Text(value):
                    pieces.append(repr(value))
                case Symbol(name):
                    pieces.append(self._call(name, context))
                case Each():
                    pieces.append(self._each(part, context))
        return " + ".join(pieces) or "''"

    def _call(self, symbol: str, context: Placeholders) -> str:
        return f"{self._symbol(symbol, context)}({', '.join(['S', *context.values()])})"

    def _symbol(self, symbol: str, context: Placeholders) -> str:
        """The function that writes `symbol` when the placeholders of `context` are known."""
        key = (symbol, tuple(context))
        if key not in self.texts:
            productions = self.grammar.productions.get(symbol)
            if not productions:
                raise InputError(f"grammar: there is no production for #{symbol}#")
            name = self.texts[key] = self._fresh("text_")
            inner = {placeholder: f"v{k}" for k, placeholder in enumerate(context)}
            body = _Writer(1)
            for production in productions:
                if production.condition:
                    body.block(f"if {self._holds(production.condition, inner)}:")
                if symbol == "task" and all(
                    isinstance(p, Text) and not p.value for p in production.parts
                ):
                    body.line(f"return S[{TASK}]")
                else:
                    body.line(f"return {self._parts(production.parts, inner)}")
                if not production.condition:
                    break
                body.indent -= 1
            else:
                body.line(f"raise ValueError({f'no production of #{symbol}# applies'!r})")
            header = f"def {name}({', '.join(['S', *inner.values()])}):"
            self.functions.append("\n".join([header, *body.lines]))
        return self.texts[key]

    def _holds(self, query: Query, context: Placeholders) -> str:
        if all(arg in context for literal in query for arg in literal.args):
            tests = [self._literal_test(q.predicate, [context[a] for a in q.args]) for q in query]
            return " and ".join(tests)
        body = _Writer(1)
        inner = {placeholder: f"v{k}" for k, placeholder in enumerate(context)}
        self._query(body, query, inner, lambda out, _: out.line("return True"))
        body.indent = 1
        body.line("return False")
        return (
            f"{self._define('holds', inner.values(), body)}({', '.join(['S', *context.values()])})"
        )

    def _literal_test(self, predicate: str, args: Sequence[str]) -> str:
        return self._test(predicate, args) if self._has_facts(predicate, len(args)) else "False"

    def _has_facts(self, predicate: str, arity: int) -> bool:
        """Whether there can be such facts (facts made false exist for fluents only)."""
        positive = predicate.removeprefix("not_")
        if positive not in self.domain.predicates or self._arity(positive) != arity:
            return False
        return predicate == positive or positive in self.fluents

    def _each(self, each: Each, context: Placeholders) -> str:
        if not each.query:
            return self._element(each.part, context)
        inner = {placeholder: f"v{k}" for k, placeholder in enumerate(context)}
        outer = dict(inner)
        body = _Writer(1)
        body.line("found = []")
        self._query(
            body,
            each.query,
            inner,
            lambda out, known: out.line(f"found.append({self._element(each.part, known)})"),
        )
        body.indent = 1
        if each.is_list:
            body.block("if not found:")
            body.line(f"return {self._call('list_empty', outer)}")
            body.indent -= 1
            body.block("if len(found) == 1:")
            body.line("return found[0]")
            body.indent -= 1
            separator = self._call("list_separator", outer)
            last = self._call("list_last_separator", outer)
            body.line(f"return {separator}.join(found[:-1]) + {last} + found[-1]")
        else:
            body.line("return ''.join(found)")
        name = self._define("each", outer.values(), body)
        return f"{name}({', '.join(['S', *context.values()])})"

    def _element(self, part: Symbol | Expression, context: Placeholders) -> str:
        if isinstance(part, Symbol):
            return self._call(part.name, context)
        by_name = {name: variable for (name, _), variable in context.items()}
        return _expression(part.tree, by_name)

    def _query(
        self,
        out: _Writer,
        query: Query,
        context: Placeholders,
        leaf: Callable[[_Writer, Placeholders], None],
    ) -> None:
        """Write loops over a query's assignments, in the reference's order.

        It goes through the literals from left to right, each one's facts sorted by
        their entities' ids, and never gives two placeholders the same entity.
        """
        known = dict(context)
        for literal in query:
            args = [known.get(arg) for arg in literal.args]
            if not self._has_facts(literal.predicate, len(args)):
                out.block("if False:")
            elif None not in args:
                out.block(f"if {self._test(literal.predicate, [a for a in args if a])}:")
            else:
                fresh = [arg for arg in literal.args if arg not in known]
                if len(set(fresh)) != len(fresh):
                    raise InputError(f"grammar: {literal} with one placeholder twice")
                new = [self._fresh() for _ in fresh]
                self._loop(out, literal.predicate, args, new)
                for placeholder, variable in zip(fresh, new, strict=True):
                    self._distinct(
                        out,
                        literal.predicate,
                        literal.args.index(placeholder),
                        placeholder,
                        variable,
                        known,
                    )
                    known[placeholder] = variable
        leaf(out, known)

    def _distinct(
        self,
        out: _Writer,
        predicate: str,
        position: int,
        placeholder: tuple[str, str],
        variable: str,
        known: Placeholders,
    ) -> None:
        kind = placeholder[1]
        if kind != "object" and kind not in self.domain.supertypes:
            raise InputError(f"grammar: unknown type {kind!r} of {placeholder[0]!r}")
        declared = self.domain.predicates[predicate.removeprefix("not_")][position]
        if not self.domain.is_subtype(declared, kind):
            out.block(f"if {self._test(f'@{kind}', [variable])}:")
        others = [
            other
            for (_, k), other in known.items()
            if self.domain.is_subtype(k, kind) or self.domain.is_subtype(kind, k)
        ]
        if others:
            out.block("if " + " and ".join(f"{variable} is not {o}" for o in others) + ":")


def _expression(tree: ast.expr, variables: Mapping[str, str]) -> str:
    """Python for a grammar's expression; only what sentences need is let through."""
    match tree:
        case ast.Constant(value=str() as value):
            return repr(value)
        case ast.Name(id=name) if name in variables:
            return f"S[{NAMES}][{variables[name]}]"
        case ast.Attribute(value=ast.Name(id=name), attr=attribute) if name in variables:
            match attribute:
                case "name":
                    return f"S[{NAMES}][{variables[name]}]"
                case "id":
                    return variables[name]
                case "indefinite":
                    return "'a'"
                case "definite":
                    return "'the'"
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return f"({_expression(left, variables)} + {_expression(right, variables)})"
        case ast.BoolOp(op=op, values=values):
            word = " or " if isinstance(op, ast.Or) else " and "
            return "(" + word.join(_expression(v, variables) for v in values) + ")"
    raise InputError(f"grammar: the expression {{{ast.unparse(tree)}}} is not supported")


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


def _abstract(formula: Formula, constants: dict[str, str]) -> Formula:
    """`formula` with constants replaced by variables ?k0, ?k1, ... listed in `constants`."""
    match formula:
        case Atom(predicate, args):
            return Atom(
                predicate,
                tuple(
                    a if a.startswith("?") else constants.setdefault(a, f"?k{len(constants)}")
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
