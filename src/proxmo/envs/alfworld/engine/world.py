"""The engine: one game's tables, and one episode's state.

It does what ALFWorld's own engine does (TextWorld's PDDL environment with
ALFWorld's names on top), without a planner underneath. In particular:

- Sentences list entities in the order of their PDDL ids, so "drawer 3, drawer 2,
  drawer 1": ALFWorld numbers entities downwards in that order.
- Commands are sorted; one is understood if it equals one of them, apart from white
  space around it.
- `look` lists receptacles only before the agent went anywhere, and then none, for the
  sentence asks for those at the agent's own location. Only the introduction lists all.
"""

from __future__ import annotations

from typing import Any

from proxmo.envs.alfworld.engine.compiler import Rules, compile_rules
from proxmo.envs.alfworld.engine.grammar import parse_grammar, split_task
from proxmo.envs.alfworld.engine.names import display_names
from proxmo.envs.alfworld.engine.pddl import Domain, Problem, atoms, parse_domain, parse_problem
from proxmo.envs.alfworld.engine.tables import (
    BY_FIRST,
    BY_SECOND,
    FIRST_TABLE,
    Operation,
    Slots,
)

NOTHING = "Nothing happens."
_TASK_PREFIX = "Your task is to: "

_domains: dict[str, Domain] = {}
_rules: dict[tuple[str, str, frozenset[str]], tuple[Rules, frozenset[str]]] = {}


class World:
    """What all episodes of one game share."""

    __slots__ = ("_fluent", "_goal", "_initial", "commands", "goal", "intro", "rules", "start")

    def __init__(self, domain_text: str, grammar_text: str, problem_text: str):
        domain = _domains.get(domain_text)
        if domain is None:
            domain = _domains[domain_text] = parse_domain(domain_text)
        problem = parse_problem(problem_text, domain)
        frame, task = split_task(grammar_text)
        self.rules = rules = _rules_for(domain_text, domain, frame, problem)
        self._goal = rules.goal(problem.goal)
        self._initial: Slots = [
            display_names({arg for fact in problem.facts for arg in fact[1:]}),
            task or "",
            [{} for _ in range(rules.memos)],
            *_tables(rules, problem),
        ]
        self._fluent = tuple(rules.layout.fluent)
        self.intro = rules.intro(self._initial)
        self.start = rules.applicable(self._initial)
        """Possible commands at the start."""
        self.commands = sorted(self.start)
        """The same, sorted."""
        sentence = self.intro.rpartition("\n\n")[2] if task is None else task
        self.goal = sentence.removeprefix(_TASK_PREFIX)

    def fresh(self) -> Slots:
        """A state at the start: own copies of what changes, the rest shared."""
        slots = self._initial.copy()
        for k in self._fluent:
            slots[k] = slots[k].copy()
        return slots

    def won(self, slots: Slots) -> bool:
        """Whether the goal holds."""
        return self._goal(slots)


class GameEpisode:
    """One run of a game."""

    __slots__ = ("_operations", "_slots", "commands", "won", "world")

    def __init__(self, world: World):
        self.world = world
        self._slots = world.fresh()
        self._operations: dict[str, Operation] = world.start
        self.commands = world.commands
        """Possible commands, sorted; not to be changed."""
        self.won = world.won(self._slots)

    @property
    def state(self) -> list[Any]:
        """What has changed or can change: plain data, for `resume`."""
        return [self._slots[k] for k in self.world.rules.layout.fluent]

    @classmethod
    def resume(cls, world: World, state: list[Any]) -> GameEpisode:
        """An episode of `world` that goes on from a copy of another's `state`."""
        episode = cls(world)
        for k, table in zip(world.rules.layout.fluent, state, strict=True):
            episode._slots[k] = table.copy()
        episode._update()
        return episode

    def fork(self) -> GameEpisode:
        """A copy that goes on from here on its own."""
        episode = GameEpisode.__new__(GameEpisode)
        episode.world, episode.won = self.world, self.won
        episode._slots = self._slots.copy()
        for k in self.world.rules.layout.fluent:
            episode._slots[k] = self._slots[k].copy()
        # Made anew after every change, and never changed themselves.
        episode._operations, episode.commands = self._operations, self.commands
        return episode

    def _update(self) -> None:
        self._operations = self.world.rules.applicable(self._slots)
        self.commands = sorted(self._operations)
        self.won = self.world.won(self._slots)

    def act(self, command: str) -> str | None:
        """Carry out `command`; the answer, or None when it is not possible now."""
        operation = self._operations.get(command.strip())
        if operation is None:
            return None
        schema, arguments = operation
        rules, slots = self.world.rules, self._slots
        apply = rules.apply[schema]
        if apply is not None:
            apply(slots, *arguments)
            self._update()
        return rules.feedback[schema](slots, *arguments)


def _rules_for(domain_text: str, domain: Domain, frame: str, problem: Problem) -> Rules:
    """The rules of a domain and grammar, compiled when first met."""
    wanted = frozenset(atom.predicate for atom in atoms(problem.goal)) - {"="}
    key = (domain_text, frame, frozenset())
    if key not in _rules:
        _rules[key] = _compile(domain, frame, problem, frozenset())
    rules, tracked = _rules[key]
    missing = wanted - tracked
    if missing:
        key = (domain_text, frame, missing)
        if key not in _rules:
            _rules[key] = _compile(domain, frame, problem, missing)
        rules, _ = _rules[key]
    return rules


def _compile(
    domain: Domain, frame: str, problem: Problem, extra: frozenset[str]
) -> tuple[Rules, frozenset[str]]:
    sizes = {}
    for predicate in domain.predicates:
        facts = [fact for fact in problem.facts if fact[0] == predicate]
        distinct = [len({fact[i] for fact in facts if len(fact) > i}) for i in (1, 2)]
        sizes[predicate] = (len(facts), distinct[0], distinct[1])
    rules = compile_rules(domain, parse_grammar(frame), sizes, extra)
    static = set(domain.predicates) - {e.atom.predicate for a in domain.actions for e in a.effects}
    fluent = {name for (name, _), slot in rules.layout.index.items() if slot in rules.layout.fluent}
    return rules, frozenset(static | fluent)


def _tables(rules: Rules, problem: Problem) -> list[Any]:
    """The tables of `rules.layout` with a problem's initial facts."""
    by_predicate: dict[str, list[tuple[str, ...]]] = {}
    for fact in problem.facts:
        by_predicate.setdefault(fact[0], []).append(fact[1:])
    types = set(problem.objects.values())
    tables: list[Any] = [None] * len(rules.layout.index)
    for (predicate, kept), slot in rules.layout.index.items():
        facts = by_predicate.get(predicate, [])
        if predicate.startswith("@"):
            kinds = {k for k in types if rules.domain.is_subtype(k, predicate[1:])}
            table: Any = {name for name, kind in problem.objects.items() if kind in kinds}
        elif kept in (BY_FIRST, BY_SECOND):
            key, value = (0, 1) if kept == BY_FIRST else (1, 0)
            lists: dict[str, list[str]] = {}
            for fact in facts:
                lists.setdefault(fact[key], []).append(fact[value])
            table = {k: tuple(sorted(v)) for k, v in lists.items()}
        else:
            table = {fact[0] if fact else () for fact in facts}
        tables[slot - FIRST_TABLE] = table
    return tables
