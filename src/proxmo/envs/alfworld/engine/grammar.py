r"""Reading a game's grammar: the sentences, and how a command is written.

A grammar has `action` blocks (a command's template, the feedback's symbol) and
tables of productions. The right-hand side of a production mixes text with

    #symbol#                   another production
    {expression}               text computed from entities: {o.name}
    {... | query}              one for each way in which the query holds
    [{... | query}]            the same as a list: "a, b, and c"
"""

from __future__ import annotations

import ast
import json
import re
import textwrap
from dataclasses import dataclass
from typing import NamedTuple

from proxmo.errors import InputError


class Literal(NamedTuple):
    """One `predicate(name:type, ...)` of a query."""

    predicate: str
    args: tuple[tuple[str, str], ...]
    """Pairs of placeholder name and type: both identify a placeholder."""


Query = tuple[Literal, ...]


class Text(NamedTuple):
    """Literal text."""

    value: str


class Symbol(NamedTuple):
    """A reference to another production."""

    name: str


class Expression(NamedTuple):
    """Text computed from entities."""

    tree: ast.expr


class Each(NamedTuple):
    """`part` for every assignment that satisfies `query`, or once without a query."""

    part: Symbol | Expression
    query: Query
    is_list: bool
    """Separated by commas; a symbol of its own when empty."""


Part = Text | Symbol | Each


class Production(NamedTuple):
    """An alternative; the first whose condition holds is taken."""

    condition: Query
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class CommandSentences:
    """How an action is written and answered."""

    template: tuple[Part, ...]
    feedback: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Grammar:
    """All sentences of a game."""

    productions: dict[str, tuple[Production, ...]]
    commands: dict[str, CommandSentences]
    """By lower-case action name."""


_LEXEME = re.compile(
    r"""\s+
    | \#[^\n]*
    | (?P<block>\"\"\"(?:.|\n)*?\"\"\")
    | (?P<string>"[^"]*")
    | (?P<word>[\w/-]+)
    | (?P<mark>::|[{};])""",
    re.VERBOSE,
)
_TEXT = re.compile(r'"([^;|"<>\[\]#{}]*)"|([^;|"<>\[\]#{}]+)')
_SYMBOL = re.compile(r"#([\w()/!<>\-\s,.]+)#")
_SYMBOL_NAME = re.compile(r"[\w()/!<>\-\s,.]+")
_EXPRESSION = re.compile(r"[^|\[\]{}\n<>]+")
_QUERY = re.compile(r"[^;|{}\n\[\]#]+")
_LONGEST_EXPRESSION = 1000
"""Characters; the official ones have up to 30."""
_DEEPEST = 100
"""Productions, each named by the one before; the official ones name up to four."""
_MOST_PRODUCTIONS = 100_000
"""Productions that one text may take; the official ones take some tens."""
_SKIPPED = re.compile(r"(?://.*|\s+)*")
_QUERY_ATOM = re.compile(r"\s*([\w/-]+)\s*\(([^()]*)\)\s*")
_TASK = re.compile(r'("task"\s*:\s*\[\s*\{\s*"rhs"\s*:\s*)("(?:[^"\\\n]|\\.)*")(\s*\}\s*\])')


def split_task(text: str) -> tuple[str, str | None]:
    """Take the goal's sentence out of a grammar: (the rest, the sentence).

    Games differ in this sentence alone, so the rest can be compiled once for all.
    The sentence is None when the grammar does not say it in one plain string.
    """
    found = _TASK.findall(text)
    if len(found) != 1:
        return text, None
    try:
        sentence = json.loads(found[0][1])
    except (ValueError, RecursionError):
        return text, None
    parts = parse_parts(sentence)
    if not all(isinstance(part, Text) for part in parts):
        return text, None
    plain = "".join(part.value for part in parts if isinstance(part, Text))
    return _TASK.sub(r'\1""\3', text), plain


def parse_grammar(text: str) -> Grammar:
    """A `Grammar` from its text; `InputError` names what cannot be read."""
    productions: dict[str, tuple[Production, ...]] = {}
    commands: dict[str, CommandSentences] = {}
    tokens = _lex(text)
    position = 0

    def take(kind: str, value: str | None = None) -> str:
        nonlocal position
        got_kind, got = tokens[position] if position < len(tokens) else ("end", "its end")
        if got_kind != kind or (value is not None and got != value):
            raise InputError(f"grammar: expected {value or kind}, found {got[:40]!r}")
        position += 1
        return got

    while position < len(tokens):
        keyword = take("word")
        if keyword == "grammar":
            take("mark", "::")
            productions |= _parse_table(take("block"))
            take("mark", ";")
        elif keyword == "action":
            name = take("word")
            take("mark", "{")
            fields = {}
            while tokens[position : position + 1] != [("mark", "}")]:
                field = take("word")
                take("mark", "::")
                fields[field] = take("block" if field in ("grammar", "pddl") else "string")
                take("mark", ";")
            take("mark", "}")
            if "template" not in fields or "feedback" not in fields:
                raise InputError(f"grammar: action {name!r} needs a template and a feedback")
            if "grammar" in fields:
                productions |= _parse_table(fields["grammar"])
            commands[name.lower()] = CommandSentences(
                parse_parts(fields["template"][1:-1]), parse_parts(fields["feedback"][1:-1])
            )
        else:
            raise InputError(f"grammar: {keyword!r} is neither 'action' nor 'grammar'")
    _refuse_endless(productions)
    return Grammar(productions, commands)


def _refuse_endless(productions: dict[str, tuple[Production, ...]]) -> None:
    """Refuse productions that lead back to themselves, or to more others than can be written."""
    sizes: dict[str, int] = {}
    path: list[str] = []

    def size(symbol: str) -> int:
        """How many productions `symbol` may take in all, of its longest alternative."""
        if symbol in sizes:
            return sizes[symbol]
        if symbol in path:
            circle = " -> ".join(f"#{name}#" for name in [*path[path.index(symbol) :], symbol])
            raise InputError(f"grammar: {circle[:200]} names itself and so would never end")
        if len(path) == _DEEPEST:
            raise InputError(f"grammar: #{path[0]}# leads through more than {_DEEPEST} productions")
        path.append(symbol)
        alternatives = productions.get(symbol, ())
        total = 1 + max(
            (sum(map(size, _symbols(alternative.parts))) for alternative in alternatives),
            default=0,
        )
        path.pop()
        if total > _MOST_PRODUCTIONS:
            raise InputError(
                f"grammar: #{symbol}# takes more than {_MOST_PRODUCTIONS:,} productions to write; "
                "name fewer in it, or leave the game out"
            )
        sizes[symbol] = total
        return total

    for symbol in productions:
        size(symbol)


def _symbols(parts: tuple[Part, ...]) -> list[str]:
    """Productions that writing `parts` takes, each as often as it is named."""
    found = []
    for part in parts:
        inner = part.part if isinstance(part, Each) else part
        if isinstance(inner, Symbol):
            found.append(inner.name)
        if isinstance(part, Each) and part.is_list:
            found += ["list_empty", "list_separator", "list_last_separator"]
    return found


def _lex(text: str) -> list[tuple[str, str]]:
    tokens, position = [], 0
    while position < len(text):
        found = _LEXEME.match(text, position)
        if found is None:
            raise InputError(f"grammar: cannot read {text[position : position + 40]!r}")
        if found.lastgroup:
            tokens.append((found.lastgroup, found.group()))
        position = found.end()
    return tokens


def _parse_table(block: str) -> dict[str, tuple[Production, ...]]:
    text = textwrap.dedent(block[3:-3])
    lines = [line for line in text.split("\n") if not line.lstrip().startswith("#")]
    try:
        table = json.loads("\n".join(lines))
        return {
            name: tuple(
                Production(parse_query(rule.get("condition", "")), parse_parts(rule["rhs"]))
                for rule in rules
            )
            for name, rules in table.items()
        }
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"grammar: cannot read a table of productions: {error!r}") from error


def parse_parts(text: str) -> tuple[Part, ...]:
    """The pieces of a right-hand side.

    Like the reference's parser it skips white space and // comments at the start and
    tabs before a piece, and stops without complaint where nothing more can be read.
    """
    parts: list[Part] = []
    skipped = _SKIPPED.match(text)
    position = skipped.end() if skipped else 0
    while position < len(text):
        while position < len(text) and text[position] == "\t":
            position += 1
        is_list = text.startswith("[", position)
        each, end = None, 0
        if text.startswith("{", position + is_list):
            end = text.find("}", position) + 1
            each = _each(text[position + is_list : end], is_list)
        if each is not None and (not is_list or text.startswith("]", end)):
            parts.append(each)
            position = end + is_list
        elif is_list:
            break
        elif found := _SYMBOL.match(text, position):
            parts.append(Symbol(found[1]))
            position = found.end()
        elif found := _TEXT.match(text, position):
            parts.append(Text(found[1] if found[1] is not None else found[2]))
            position = found.end()
        else:
            break
    return tuple(parts)


def _each(text: str, is_list: bool) -> Each | None:
    """What `{...}` or `{... | query}` stands for; None where it is not written so.

    Each piece is cut out first and looked at then, which takes time in proportion to its length.
    """
    if not (text.startswith("{") and text.endswith("}")):
        return None
    head, bar, query = text[1:-1].partition("|")
    if (bar and not _QUERY.fullmatch(query.lstrip("\n"))) or not head:
        return None
    core = head.strip()
    if len(core) > 2 and core[0] == core[-1] == "#" and _SYMBOL_NAME.fullmatch(core[1:-1]):
        return Each(Symbol(core[1:-1]), parse_query(query), is_list)
    if core and not _EXPRESSION.fullmatch(core):
        return None
    return Each(_expression(core), parse_query(query), is_list)


def _expression(text: str) -> Expression:
    if len(text) > _LONGEST_EXPRESSION:
        raise InputError(f"grammar: the expression {{{text[:40]}...}} is too long to be one")
    try:
        return Expression(ast.parse(text, mode="eval").body)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise InputError(f"grammar: cannot read the expression {{{text}}}") from error


def parse_query(text: str) -> Query:
    """The literals of `p(x:t) & q(x:t, y:u)`; a placeholder without type is its own type."""
    if not text.strip():
        return ()
    literals = []
    for piece in text.split("&"):
        found = _QUERY_ATOM.fullmatch(piece)
        if found is None:
            raise InputError(f"grammar: cannot read the query {text!r}")
        args = []
        for arg in filter(None, (a.strip() for a in found[2].split(","))):
            name, _, kind = (word.strip() for word in arg.partition(":"))
            args.append((name, kind or name.rstrip("'")))
        literals.append(Literal(found[1], tuple(args)))
    return tuple(literals)
