"""What a comparison's TOML file may say."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from dataclasses import field, fields
from pathlib import Path
from typing import Annotated, Any

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from proxmo.config import SftConfig, TrainConfig
from proxmo.credit import CREDIT
from proxmo.errors import InputError

_CLOSED = ConfigDict(extra="forbid")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]*")

Seeds = Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(min_length=1)]
Sections = dict[str, dict[str, Any]]
"""Settings as in a run's settings file: section -> key -> value."""

COLD_START = "cold-start"
"""Name of the policy before training; no variant may have it."""
FILE_NAME = "comparison.toml"
"""The file of a comparison inside its folder."""


@dataclass(frozen=True, config=_CLOSED)
class VariantTable:
    """A method with settings of its own."""

    credit: dict[str, Any]
    """`method` and its options."""
    rollout: dict[str, Any] = field(default_factory=dict)
    """Changed rollout settings; given `group_size` alone, `tasks` keeps the budget."""
    seeds: Seeds | None = None
    """Its seeds; none: those of the comparison."""


@dataclass(frozen=True, config=_CLOSED)
class SweepTable:
    """One setting over several values, all else as the method has it."""

    setting: str
    """`credit.alpha`, `credit.modulation`, `credit.temperature`, `rollout.group_size`, ..."""
    values: Annotated[tuple[Any, ...], Field(min_length=1)]
    method: str = "proxmo"
    seeds: Seeds | None = None
    """Seeds of the sweep; none: those of the comparison."""


@dataclass(frozen=True, config=_CLOSED)
class AblationsTable:
    """ProxMO's episode level alone, its step level alone, and neither."""

    seeds: Seeds | None = None
    """Seeds of the ablations; none: those of the comparison."""


@dataclass(frozen=True, config=_CLOSED)
class ComparisonFile:
    """The file as it stands, checked key by key."""

    seeds: Seeds
    """Each gives a run of every variant: the tasks, their order and the random streams."""
    methods: tuple[str, ...] = ("grpo", "gigpo", "proxmo")
    """Names of `proxmo.CREDIT`, each with its default options."""
    reference: str | None = None
    """Variant that the others are compared with; none: `proxmo` if it takes part, else the
    first."""
    out: str | None = None
    """Folder of the comparison; none: `runs/<name of the file>`."""
    base: Sections = field(default_factory=dict)
    """Settings that all runs share."""
    environments: dict[str, Sections] = field(default_factory=dict)
    """Name -> settings that the runs in this environment share; none: the base's."""
    sft: SftConfig = field(default_factory=SftConfig)
    """How the built-in policy is made, once per environment."""
    ablations: AblationsTable | None = None
    sweeps: tuple[SweepTable, ...] = ()
    variants: dict[str, VariantTable] = field(default_factory=dict)


def read_comparison(path: Path) -> ComparisonFile:
    """Read and check a comparison's file, or that of a comparison's folder."""
    path = path / FILE_NAME if path.is_dir() else path
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"comparison file {path} does not exist") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"comparison file {path} is not valid TOML: {error}") from None
    try:
        file = TypeAdapter(ComparisonFile).validate_python(data)
        _check(file)
    except ValidationError as error:
        problems = "; ".join(_explain(problem) for problem in error.errors())
        raise InputError(f"{path}: {problems}") from None
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    return file


def _check(file: ComparisonFile) -> None:
    _check_names(file)
    _check_base("base", file.base)
    if "method" in file.base.get("credit", {}):
        raise InputError("base.credit.method is not for all runs; list it under methods")
    for name, sections in file.environments.items():
        _check_base(f"environments.{name}", sections)
        if "credit" in sections:
            raise InputError(
                f"environments.{name}.credit is not a section; give it in base or in a variant"
            )
    tables = [("seeds", file.seeds), *((f"variants.{n}", v.seeds) for n, v in _seeded(file))]
    for where, seeds in tables:
        twice = [seed for seed, times in Counter(seeds or ()).items() if times > 1]
        if twice:
            raise InputError(f"{where} has seed {twice[0]} twice; give each seed once")


def _seeded(file: ComparisonFile) -> list[tuple[str, Any]]:
    tables: list[tuple[str, Any]] = list(file.variants.items())
    tables += [(f"sweeps.{number}", sweep) for number, sweep in enumerate(file.sweeps)]
    return tables + ([("ablations", file.ablations)] if file.ablations else [])


def _check_names(file: ComparisonFile) -> None:
    for method in [*file.methods, *(sweep.method for sweep in file.sweeps)]:
        if method not in CREDIT:
            raise InputError(f"method {method!r} does not exist; choose from {', '.join(CREDIT)}")
    for name in [*file.variants, *file.environments]:
        if not _NAME.fullmatch(name) or name == COLD_START:
            raise InputError(
                f"{name!r} cannot be a name of a folder here; use letters, digits, '-', '_', '.', "
                f"'+', and not {COLD_START!r}"
            )
    if not file.methods and not file.variants:
        raise InputError("there is nothing to compare; list methods or variants")


def _check_base(where: str, sections: Sections) -> None:
    known = {entry.name for entry in fields(TrainConfig)}
    for section in sections:
        if section not in known:
            raise InputError(
                f"{where}.{section} is not a section; known sections: {', '.join(sorted(known))}"
            )
    for key, instead in (("seed", "list it under seeds"), ("out", "give out at the top")):
        if key in sections.get("run", {}):
            raise InputError(f"{where}.run.{key} is not for all runs; {instead}")


def _explain(problem: Any) -> str:
    path = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "unexpected_keyword_argument":
        return f"{path} is not a key of a comparison"
    if problem["type"] == "missing":
        return f"{path} is missing"
    return f"{path} = {problem['input']!r}: {problem['msg']}"
