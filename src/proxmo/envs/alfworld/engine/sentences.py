"""Sentences of a grammar as Python: commands, answers, the introduction."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping, Sequence

from proxmo.envs.alfworld.engine import pddl
from proxmo.envs.alfworld.engine.facts import Facts
from proxmo.envs.alfworld.engine.grammar import (
    Each,
    Expression,
    Grammar,
    Part,
    Query,
    Symbol,
    Text,
)
from proxmo.envs.alfworld.engine.program import LONGEST_TEXT, Loops, Program, Writer
from proxmo.envs.alfworld.engine.tables import NAMES, TASK
from proxmo.errors import InputError

Placeholders = dict[tuple[str, str], str]
"""Grammar placeholder (name, type) -> Python variable."""


class Sentences:
    """Writes the functions of a grammar's symbols and of its actions' texts."""

    def __init__(self, program: Program, facts: Facts, grammar: Grammar) -> None:
        self._program, self._facts, self.grammar = program, facts, grammar
        self._texts: dict[tuple, str] = {}

    def action_text(self, name: str, action: pddl.Action, which: str) -> str:
        """A function from an action's arguments to its command or its feedback."""
        if action.name not in self.grammar.commands:
            raise InputError(f"grammar: no action block for {action.name!r}")
        parts = getattr(self.grammar.commands[action.name], which)
        if which == "template":
            self._require_static(action.name, parts)
        context: Placeholders = {
            (p.removeprefix("?"), kind): f"v{k}" for k, (p, kind) in enumerate(action.parameters)
        }
        body = Writer(1)
        body.line(f"return {self._parts(parts, context)}")
        return self._program.define(name, context.values(), body)

    def _require_static(self, action: str, parts: Sequence[Part]) -> None:
        for part in parts:
            if isinstance(part, Symbol) or (
                isinstance(part, Each) and isinstance(part.part, Symbol)
            ):
                raise InputError(f"grammar: symbols in the template of {action!r} not supported")
            if isinstance(part, Each) and {q.predicate for q in part.query} & self._facts.fluents:
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
        return f"{self.symbol(symbol, context)}({', '.join(['S', *context.values()])})"

    def symbol(self, symbol: str, context: Placeholders) -> str:
        """The function that writes `symbol` when the placeholders of `context` are known."""
        key = (symbol, tuple(context))
        if key not in self._texts:
            productions = self.grammar.productions.get(symbol)
            if not productions:
                raise InputError(f"grammar: there is no production for #{symbol}#")
            name = self._texts[key] = self._program.fresh("text_")
            inner = {placeholder: f"v{k}" for k, placeholder in enumerate(context)}
            body = Writer(1)
            for production in productions:
                if production.condition:
                    body.block(f"if {self._holds(production.condition, inner)}:")
                if symbol == "task" and all(
                    isinstance(p, Text) and not p.value for p in production.parts
                ):
                    body.line(f"return S[{TASK}]")
                else:
                    body.line(f"text = {self._parts(production.parts, inner)}")
                    what = f"grammar: the text of #{symbol}#"
                    body.line(f"if len(text) > {LONGEST_TEXT}: too_long({what!r})")
                    body.line("return text")
                if not production.condition:
                    break
                body.indent -= 1
            else:
                body.line(f"raise ValueError({f'no production of #{symbol}# applies'!r})")
            header = f"def {name}({', '.join(['S', *inner.values()])}):"
            self._program.functions.append("\n".join([header, *body.lines]))
        return self._texts[key]

    def _holds(self, query: Query, context: Placeholders) -> str:
        if all(arg in context for literal in query for arg in literal.args):
            tests = [self._literal_test(q.predicate, [context[a] for a in q.args]) for q in query]
            return " and ".join(tests)
        body = Writer(1)
        inner = {placeholder: f"v{k}" for k, placeholder in enumerate(context)}
        self._query(body, query, inner, lambda out, _: out.line("return True"))
        body.indent = 1
        body.line("return False")
        name = self._program.define("holds", inner.values(), body)
        return f"{name}({', '.join(['S', *context.values()])})"

    def _literal_test(self, predicate: str, args: Sequence[str]) -> str:
        return (
            self._facts.test(predicate, args)
            if self._facts.has_facts(predicate, len(args))
            else "False"
        )

    def _each(self, each: Each, context: Placeholders) -> str:
        if not each.query:
            return self._element(each.part, context)
        inner = {placeholder: f"v{k}" for k, placeholder in enumerate(context)}
        outer = dict(inner)
        body = Writer(1)
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
        name = self._program.define("each", outer.values(), body)
        return f"{name}({', '.join(['S', *context.values()])})"

    def _element(self, part: Symbol | Expression, context: Placeholders) -> str:
        if isinstance(part, Symbol):
            return self._call(part.name, context)
        by_name = {name: variable for (name, _), variable in context.items()}
        return _expression(part.tree, by_name)

    def _query(
        self,
        out: Writer,
        query: Query,
        context: Placeholders,
        leaf: Callable[[Writer, Placeholders], None],
    ) -> None:
        """Write loops over a query's assignments, in the reference's order.

        It goes through the literals from left to right, each one's facts sorted by
        their entities' ids, and never gives two placeholders the same entity.
        """
        known = dict(context)
        asked = " & ".join(literal.predicate for literal in query)
        loops = Loops(out, f"grammar: the query {asked[:80]!r}")
        for literal in query:
            args = [known.get(arg) for arg in literal.args]
            if not self._facts.has_facts(literal.predicate, len(args)):
                out.block("if False:")
            elif None not in args:
                out.block(f"if {self._facts.test(literal.predicate, [a for a in args if a])}:")
            else:
                fresh = [arg for arg in literal.args if arg not in known]
                if len(set(fresh)) != len(fresh):
                    raise InputError(f"grammar: {literal} with one placeholder twice")
                new = [self._program.fresh() for _ in fresh]
                self._facts.loop(out, literal.predicate, args, new)
                loops.entered()
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
        out: Writer,
        predicate: str,
        position: int,
        placeholder: tuple[str, str],
        variable: str,
        known: Placeholders,
    ) -> None:
        kind = placeholder[1]
        if kind != "object" and kind not in self._facts.domain.supertypes:
            raise InputError(f"grammar: unknown type {kind!r} of {placeholder[0]!r}")
        declared = self._facts.domain.predicates[predicate.removeprefix("not_")][position]
        if not self._facts.domain.is_subtype(declared, kind):
            out.block(f"if {self._facts.test(f'@{kind}', [variable])}:")
        others = [
            other
            for (_, k), other in known.items()
            if self._facts.domain.is_subtype(k, kind) or self._facts.domain.is_subtype(kind, k)
        ]
        if others:
            out.block("if " + " and ".join(f"{variable} != {o}" for o in others) + ":")


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
