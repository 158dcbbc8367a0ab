"""Turning a domain and a grammar into Python functions.

Official games share one domain and one grammar, so this runs once: the rules and
the sentences become plain loops over a game's tables (`TableLayout`), with no
interpretation left at run time. Every function takes the state as a list of slots.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from proxmo.envs.alfworld.engine.actions import ActionCompiler
from proxmo.envs.alfworld.engine.conditions import Conditions
from proxmo.envs.alfworld.engine.facts import Facts
from proxmo.envs.alfworld.engine.goals import GoalCompiler
from proxmo.envs.alfworld.engine.grammar import Grammar
from proxmo.envs.alfworld.engine.pddl import Domain, Formula
from proxmo.envs.alfworld.engine.program import Program
from proxmo.envs.alfworld.engine.sentences import Sentences
from proxmo.envs.alfworld.engine.tables import Operation, Slots, TableLayout


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

    `sizes` (see `Conditions`) never changes a result; `goal_predicates` are kept up to date
    even if no rule or sentence reads them.
    """
    program = Program()
    facts = Facts(domain, grammar, goal_predicates)
    conditions = Conditions(program, facts, sizes)
    sentences = Sentences(program, facts, grammar)
    actions = ActionCompiler(program, facts, conditions, sentences)
    applicable = actions.applicable()
    apply, feedback = [], []
    for i, action in enumerate(domain.actions):
        apply.append(actions.apply(i, action))
        feedback.append(sentences.action_text(f"feedback_{i}", action, "feedback"))
    intro = sentences.symbol("intro", {})
    namespace = program.execute(program.functions)
    return Rules(
        domain,
        facts.layout,
        program.memos,
        namespace[applicable],
        [namespace[name] if name else None for name in apply],
        [namespace[name] for name in feedback],
        namespace[intro],
        GoalCompiler(program, conditions, namespace).test,
    )
