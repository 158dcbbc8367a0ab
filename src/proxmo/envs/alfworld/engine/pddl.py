"""Reading PDDL: the subset that text games use, as plain immutable trees.

Names are lower-cased (PDDL knows no case) and interned, so that games share them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from sys import intern
from typing import NamedTuple

from proxmo.errors import InputError

_TOKEN = re.compile(r"[()]|\?[^\s()?]*|[^\s()?]+")
_COMMENT = re.compile(r";[^\n]*")
_PARENTHESIS = re.compile(r"[()]")
_SECTION = re.compile(r"\(\s*:(\w+)")
# (= (total-cost) 0): nothing that an agent sees depends on costs.
_COST = re.compile(r"\(\s*=\s*\([^()]*\)[^()]*\)")


class Atom(NamedTuple):
    """`predicate(args)`; variables start with "?"; equality is the predicate "="."""

    predicate: str
    args: tuple[str, ...]


class Not(NamedTuple):
    """Negation."""

    part: Formula


class And(NamedTuple):
    """Conjunction; empty means true."""

    parts: tuple[Formula, ...]


class Or(NamedTuple):
    """Disjunction; empty means false."""

    parts: tuple[Formula, ...]


class Quantified(NamedTuple):
    """`exists` or `forall` over typed variables."""

    universal: bool
    variables: tuple[tuple[str, str], ...]
    """Pairs of variable and type."""
    part: Formula


Formula = Atom | Not | And | Or | Quantified


class Effect(NamedTuple):
    """One literal that an action makes true or false, if `condition` holds before it."""

    condition: Formula
    positive: bool
    atom: Atom


@dataclass(frozen=True, slots=True)
class Action:
    """An action schema."""

    name: str
    parameters: tuple[tuple[str, str], ...]
    """Pairs of variable and type."""
    precondition: Formula
    effects: tuple[Effect, ...]
    """Costs left out: nothing that an agent sees depends on them."""


@dataclass(frozen=True, slots=True)
class Domain:
    """Types, predicates and actions."""

    supertypes: dict[str, str]
    """Each type's parent; the root is "object", its own parent."""
    predicates: dict[str, tuple[str, ...]]
    """Declared type of each argument."""
    actions: tuple[Action, ...]
    constants: tuple[tuple[str, str], ...]

    def is_subtype(self, name: str, ancestor: str) -> bool:
        """Whether everything of type `name` is of type `ancestor`."""
        while name != ancestor:
            parent = self.supertypes.get(name, "object")
            if parent == name:
                return False
            name = parent
        return True


@dataclass(frozen=True, slots=True)
class Problem:
    """Objects, initial facts and the goal of one game."""

    objects: dict[str, str]
    """Type of each object."""
    facts: tuple[tuple[str, ...], ...]
    """Predicate and arguments of each."""
    goal: Formula


def tokenize(text: str) -> list[str]:
    """Parentheses and words, lower-cased, without comments."""
    return _TOKEN.findall(_COMMENT.sub("", text).lower())


def parse_nested(text: str, what: str) -> list:
    """The nested lists that `text` writes; `what` names it in errors."""
    stack: list[list] = [[]]
    for token in tokenize(text):
        if token == "(":
            stack.append([])
        elif token == ")":
            if len(stack) == 1:
                raise InputError(f"{what}: unbalanced ')'; the file is damaged")
            done = stack.pop()
            stack[-1].append(done)
        else:
            stack[-1].append(intern(token))
    if len(stack) != 1 or len(stack[0]) != 1 or not isinstance(stack[0][0], list):
        raise InputError(f"{what}: expected one balanced (define ...); the file is damaged")
    return stack[0][0]


def parse_domain(text: str) -> Domain:
    """A `Domain` from PDDL text.

    Raises `InputError` for what the engine does not know (derived predicates,
    numeric fluents other than costs, quantified effects, ...), by name.
    """
    sections = parse_nested(text, "PDDL domain")
    supertypes = {"object": "object"}
    predicates: dict[str, tuple[str, ...]] = {}
    constants: tuple[tuple[str, str], ...] = ()
    actions: list[list] = []
    for section in sections[1:]:
        match section:
            case [":types", *names]:
                # A domain may declare `object` again; the root stays its own parent.
                supertypes.update((n, t) for n, t in _typed(names) if n != "object")
            case [":constants", *names]:
                constants = tuple(_typed(names))
            case [":predicates", *declared]:
                predicates = {p[0]: tuple(t for _, t in _typed(p[1:])) for p in declared}
            case [":action", *_]:
                actions.append(list(section))
            case [("domain" | ":requirements" | ":functions"), *_]:
                pass
            case _:
                name = section[0] if isinstance(section, list) and section else section
                raise InputError(f"PDDL domain: section {str(name)[:40]!r} is not supported")
    _refuse_circles(supertypes)
    return Domain(
        supertypes,
        predicates,
        tuple(_parse_action(action, predicates) for action in actions),
        constants,
    )


def _refuse_circles(supertypes: dict[str, str]) -> None:
    """A type that is its own ancestor would be asked for its ancestors for ever."""
    rooted = {"object"}
    for name in supertypes:
        path: dict[str, None] = {}
        while name not in rooted and name in supertypes:
            if name in path:
                raise InputError(f"PDDL domain: type {name!r} is its own ancestor")
            path[name] = None
            name = supertypes[name]
        rooted.update(path)


def parse_problem(text: str, domain: Domain) -> Problem:
    """A `Problem` of `domain` from PDDL text; `InputError` names what is wrong with it."""
    # The long sections are flat: splitting them is an order of magnitude faster than a
    # tokenizer, and this is most of what a game's first reset costs.
    sections = _problem_sections(_COMMENT.sub("", text).lower())
    objects = {intern(o): intern(t) for o, t in _typed(sections["objects"].split())}
    objects.update(domain.constants)
    facts = _parse_facts(sections["init"], domain, objects)
    goal = parse_formula(parse_nested(sections["goal"], "PDDL goal"), domain.predicates)
    return Problem(objects, facts, goal)


def _parse_facts(text: str, domain: Domain, objects: Iterable[str]) -> tuple[tuple[str, ...], ...]:
    """The distinct facts of an (:init ...) section, in its order; costs are left out."""
    own = {name: name for name in objects}  # one string per object, which saves memory
    predicates = {name: (name, len(types)) for name, types in domain.predicates.items()}
    facts = []
    before, *pieces = _COST.sub("", text).split("(")
    if before.strip():
        raise InputError(f"PDDL problem: {before.strip()[:40]!r} is no fact; the file is damaged")
    for piece in pieces:
        body, _, after = piece.partition(")")
        words = body.split()
        if after.strip() or not words:
            raise InputError(f"PDDL problem: cannot read the fact ({piece.strip()[:80]}")
        name, arity = predicates.get(words[0], ("", -1))
        if arity != len(words) - 1:
            raise InputError(
                f"PDDL problem: fact ({body.strip()}) does not fit the domain's predicates"
            )
        try:
            facts.append((name, *[own[word] for word in words[1:]]))
        except KeyError as error:
            raise InputError(
                f"PDDL problem: ({body.strip()}) names {error}, which is not an object"
            ) from None
    return tuple(dict.fromkeys(facts))


def _problem_sections(text: str) -> dict[str, str]:
    """Contents of (:objects ...), (:init ...) and (:goal ...), found by their keywords."""
    marks = list(_SECTION.finditer(text))
    ends = [*(mark.start() for mark in marks[1:]), len(text)][: len(marks)]
    found = {
        mark[1]: text[mark.end() : end].rstrip() for mark, end in zip(marks, ends, strict=True)
    }
    sections = {}
    for key in ("objects", "init", "goal"):
        if key not in found:
            raise InputError(f"PDDL problem: no (:{key} ...) section; the file is damaged")
        # The last section is followed by the end of the problem, too.
        body = _first_list(found[key]) if key == "goal" else found[key].removesuffix(")")
        if body is None or body == found[key]:
            raise InputError(f"PDDL problem: (:{key} ...) is not closed; the file is damaged")
        sections[key] = body
    return sections


def _first_list(text: str) -> str | None:
    """The first parenthesised expression of `text`, if it is complete."""
    depth = 0
    for mark in _PARENTHESIS.finditer(text):
        depth += 1 if mark[0] == "(" else -1
        if depth == 0:
            return text[: mark.end()]
    return None


def _typed(tokens: list[str]) -> list[tuple[str, str]]:
    """Pairs of name and type from `a b - t c - u d`; untyped names are objects.

    A comma belongs to the word before it, as for the reference's parser. The official
    domain has one, in `(exists (?l - location, ?r - receptacle) ...)`; as nothing is of
    type "location,", an object can be examined only in the hand, not where it lies.
    """
    result: list[tuple[str, str]] = []
    names: list[str] = []
    words = iter(tokens)
    for word in words:
        if word == "-":
            kind = next(words, "object")
            if not isinstance(kind, str):
                raise InputError(f"PDDL: type {kind} is not supported; only plain types are")
            result += [(name, kind) for name in names]
            names = []
        else:
            names.append(word)
    return result + [(name, "object") for name in names]


def _parse_action(section: list, predicates: dict[str, tuple[str, ...]]) -> Action:
    name = section[1]
    fields = dict(zip(section[2::2], section[3::2], strict=False))
    unknown = set(fields) - {":parameters", ":precondition", ":effect"}
    if unknown:
        raise InputError(f"PDDL action {name!r}: {sorted(unknown)[0]} is not supported")
    effects: list[Effect] = []
    _parse_effect(fields.get(":effect", []), And(()), name, predicates, effects)
    return Action(
        name,
        tuple(_typed(fields.get(":parameters", []))),
        parse_formula(fields.get(":precondition", []), predicates),
        tuple(effects),
    )


def _parse_effect(
    tree: list,
    condition: Formula,
    action: str,
    predicates: dict[str, tuple[str, ...]],
    result: list[Effect],
) -> None:
    match tree:
        case []:
            return
        case ["and", *parts]:
            for part in parts:
                _parse_effect(part, condition, action, predicates, result)
        case ["when", given, part]:
            given = parse_formula(given, predicates)
            _parse_effect(part, And((condition, given)), action, predicates, result)
        case ["increase", ["total-cost"], _]:
            return
        case ["not", atom]:
            result.append(Effect(condition, False, _parse_atom(atom, predicates)))
        case [("forall" | "increase" | "decrease" | "assign"), *_]:
            raise InputError(f"PDDL action {action!r}: effect ({tree[0]} ...) is not supported")
        case _:
            result.append(Effect(condition, True, _parse_atom(tree, predicates)))


def parse_formula(tree: list, predicates: dict[str, tuple[str, ...]]) -> Formula:
    """A condition from nested lists; an empty list is true."""
    match tree:
        case []:
            return And(())
        case ["and", *parts]:
            return And(tuple(parse_formula(part, predicates) for part in parts))
        case ["or", *parts]:
            return Or(tuple(parse_formula(part, predicates) for part in parts))
        case ["not", part]:
            return Not(parse_formula(part, predicates))
        case ["imply", given, part]:
            return Or((Not(parse_formula(given, predicates)), parse_formula(part, predicates)))
        case [("exists" | "forall") as kind, variables, part]:
            return Quantified(
                kind == "forall", tuple(_typed(variables)), parse_formula(part, predicates)
            )
    return _parse_atom(tree, predicates)


def _parse_atom(tree: list, predicates: dict[str, tuple[str, ...]]) -> Atom:
    if not tree or not all(isinstance(word, str) for word in tree):
        raise InputError(f"PDDL: condition {tree} is not supported")
    if tree[0] != "=" and tree[0] not in predicates:
        raise InputError(f"PDDL: predicate {tree[0]!r} is not declared in the domain")
    arity = 2 if tree[0] == "=" else len(predicates[tree[0]])
    if arity != len(tree) - 1:
        raise InputError(f"PDDL: predicate {tree[0]!r} is used with {len(tree) - 1} arguments")
    return Atom(tree[0], tuple(tree[1:]))


def negate(formula: Formula) -> Formula:
    """The negation of `formula`, pushed down to the atoms."""
    match formula:
        case Not(part):
            return to_nnf(part)
        case And(parts):
            return Or(tuple(negate(part) for part in parts))
        case Or(parts):
            return And(tuple(negate(part) for part in parts))
        case Quantified(universal, variables, part):
            return Quantified(not universal, variables, negate(part))
    return Not(formula)


def to_nnf(formula: Formula) -> Formula:
    """Negation normal form: `Not` stands before atoms only."""
    match formula:
        case Not(part):
            return negate(part)
        case And(parts):
            return And(tuple(to_nnf(part) for part in parts))
        case Or(parts):
            return Or(tuple(to_nnf(part) for part in parts))
        case Quantified(universal, variables, part):
            return Quantified(universal, variables, to_nnf(part))
    return formula


def atoms(formula: Formula) -> list[Atom]:
    """Every atom in `formula`."""
    match formula:
        case Atom():
            return [formula]
        case Not(part) | Quantified(_, _, part):
            return atoms(part)
        case And(parts) | Or(parts):
            return [atom for part in parts for atom in atoms(part)]
    raise AssertionError(formula)


def free_variables(formula: Formula) -> set[str]:
    """Variables that `formula` does not bind itself."""
    match formula:
        case Atom(_, args):
            return {arg for arg in args if arg.startswith("?")}
        case Not(part):
            return free_variables(part)
        case And(parts) | Or(parts):
            return set().union(*(free_variables(part) for part in parts))
        case Quantified(_, variables, part):
            return free_variables(part) - {name for name, _ in variables}
    raise AssertionError(formula)
