"""From a comparison's file to its runs, all on the same terms.

Every variant gets, per environment and seed: the same tasks in the same order, the same
policy to start from, as many episodes per update and as many updates. A file that says
otherwise is refused.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from proxmo.comparison.file import (
    COLD_START,
    ComparisonFile,
    Sections,
    SweepTable,
    VariantTable,
    read_comparison,
)
from proxmo.config import BUILTIN, SftConfig, TrainConfig, parse_config
from proxmo.credit import CREDIT, make
from proxmo.envs import registry
from proxmo.errors import InputError

VariantKind = Literal["method", "ablation", "variant", "sweep"]

ABLATIONS: dict[str, dict[str, Any]] = {
    "proxmo-episode": {"method": "proxmo-episode"},
    "proxmo-step": {"method": "proxmo-step"},
    # Without modulation and without the step level what is left is R_i - mean(R).
    "proxmo-neither": {"method": "proxmo-episode", "modulation": 0.0},
}
"""ProxMO's ablations -> their credit settings."""


@dataclass(frozen=True, slots=True)
class Variant:
    """What is compared: a method with its settings."""

    name: str
    credit: dict[str, Any]
    rollout: dict[str, Any]
    seeds: tuple[int, ...]
    kind: VariantKind


@dataclass(frozen=True, slots=True)
class Sweep:
    """One setting of a method over several values."""

    setting: str
    method: str
    points: tuple[tuple[Any, str], ...]
    """(value, name of the variant that has it)."""


@dataclass(frozen=True, slots=True)
class Run:
    """One run of the trainer."""

    environment: str
    variant: str
    seed: int
    folder: Path
    config: TrainConfig

    @property
    def name(self) -> str:
        """Its place in the comparison's folder."""
        return f"{self.environment}/{self.variant}/seed-{self.seed}"


@dataclass(frozen=True, slots=True)
class Plan:
    """A comparison, resolved."""

    out: Path
    environments: tuple[str, ...]
    variants: tuple[Variant, ...]
    sweeps: tuple[Sweep, ...]
    reference: str
    """Variant that the others are compared with."""
    sft: SftConfig
    runs: tuple[Run, ...]
    """Seed by seed, so that a comparison that was stopped early compares what it has."""
    cold_starts: tuple[Run, ...]
    """Runs of no update: the evaluation that all variants of an environment and seed begin
    with, made once."""

    def variant(self, name: str) -> Variant:
        """The variant of that name."""
        return next(variant for variant in self.variants if variant.name == name)

    def builtin_model(self, environment: str) -> Path:
        """Where the built-in policy of an environment is, if it starts from one."""
        return self.out / environment / COLD_START / "policy"

    def starts_from_builtin(self, run: Run) -> bool:
        """Whether a run starts from the built-in policy that the comparison makes."""
        return run.config.policy.model == str(self.builtin_model(run.environment))


def load_plan(path: Path, out: Path | None = None) -> Plan:
    """The plan of a comparison's file, or of a comparison's folder.

    Raises `InputError` for what cannot be run, and for what would be unfair.
    """
    file = read_comparison(path)
    if out is None:
        out = path if path.is_dir() else Path(file.out or Path("runs", path.stem))
    try:
        # Runs find the policy they start from wherever they are started.
        return make_plan(file, out.expanduser().resolve())
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def make_plan(file: ComparisonFile, out: Path) -> Plan:
    """Resolve a file whose comparison lives in `out`."""
    _check_base_credit(file)
    environments = _environments(file)
    variants = _variants(file)
    for variant in variants:
        _check_options(variant)
    configs = {
        variant.name: [
            _run(file, name, sections, variant, 0, out).config
            for name, sections in environments.items()
        ]
        for variant in variants
    }
    variants, renamed = _without_repeats(variants, configs)
    runs, cold_starts = [], []
    for seed in dict.fromkeys(seed for variant in variants for seed in variant.seeds):
        for name, sections in environments.items():
            cold_starts.append(_cold_start(file, name, sections, seed, out))
            runs += [
                _run(file, name, sections, variant, seed, out)
                for variant in variants
                if seed in variant.seeds
            ]
    return Plan(
        out=out,
        environments=tuple(environments),
        variants=variants,
        sweeps=tuple(_sweep(table, renamed) for table in file.sweeps),
        reference=_reference(file, variants),
        sft=file.sft,
        runs=tuple(runs),
        cold_starts=tuple(cold_starts),
    )


def episodes_per_update(config: TrainConfig) -> int:
    """Episodes that an update collects: tasks times group size."""
    return config.rollout.tasks * config.rollout.group_size


def _environments(file: ComparisonFile) -> dict[str, Sections]:
    """Environments by name; one that says no `env.name` is called as the registry calls it."""
    base = file.base.get("env", {}).get("name")
    found = {}
    for name, sections in (file.environments or {base or registry.DEFAULT: {}}).items():
        env = sections.get("env", {})
        if base is None and "name" not in env:
            env = {"name": name, **env}
        found[name] = {**sections, "env": env}
    return found


def _variants(file: ComparisonFile) -> tuple[Variant, ...]:
    """All variants of a file, in its order; names are unique."""
    variants = [
        Variant(name, {"method": name}, {}, file.seeds, "method")
        for name in dict.fromkeys(file.methods)
    ]
    if file.ablations is not None:
        seeds = file.ablations.seeds or file.seeds
        known = {variant.name for variant in variants}
        variants += [
            Variant(name, credit, {}, seeds, "ablation")
            for name, credit in ABLATIONS.items()
            if name not in known
        ]
    for name, table in file.variants.items():
        variants.append(_named(name, table, file.seeds))
    for table in file.sweeps:
        variants += [_point(table, value, table.seeds or file.seeds) for value in table.values]
    names = [variant.name for variant in variants]
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"two variants are called {name!r}; give one another name")
    shared = file.base.get("credit", {})
    return tuple(_with_base_credit(variant, shared) for variant in variants)


def _named(name: str, table: VariantTable, seeds: tuple[int, ...]) -> Variant:
    method = table.credit.get("method")
    if not isinstance(method, str):
        found = "has no method" if method is None else f"has method {method!r}"
        raise InputError(f"variants.{name}.credit {found}; choose from {', '.join(CREDIT)}")
    return Variant(name, table.credit, table.rollout, table.seeds or seeds, "variant")


def _point(table: SweepTable, value: Any, seeds: tuple[int, ...]) -> Variant:
    section, _, key = table.setting.partition(".")
    if section not in ("credit", "rollout") or not key or key == "method":
        raise InputError(
            f"a sweep is over {table.setting!r}; give a setting of credit or rollout, such as "
            "'credit.alpha' or 'rollout.group_size'"
        )
    credit: dict[str, Any] = {"method": table.method}
    rollout: dict[str, Any] = {}
    (credit if section == "credit" else rollout)[key] = value
    return Variant(_point_name(table, value), credit, rollout, seeds, "sweep")


def _point_name(table: SweepTable, value: Any) -> str:
    return f"{table.method}-{table.setting.partition('.')[2].replace('_', '-')}-{value}"


def _with_base_credit(variant: Variant, shared: Mapping[str, Any]) -> Variant:
    """The variant with those of the shared credit settings that its method has."""
    own = {key: value for key, value in shared.items() if key in _options(variant)}
    return dataclasses.replace(variant, credit=own | variant.credit)


def _options(variant: Variant) -> set[str]:
    method = variant.credit["method"]
    if method not in CREDIT:
        raise InputError(
            f"variant {variant.name!r}: method {method!r} does not exist; choose from "
            f"{', '.join(CREDIT)}"
        )
    return {option.name for option in dataclasses.fields(CREDIT[method])}


def _check_base_credit(file: ComparisonFile) -> None:
    """Refuse a shared credit setting that no method has: it is a slip of the pen."""
    known = {option.name for method in CREDIT.values() for option in dataclasses.fields(method)}
    for key in file.base.get("credit", {}):
        if key not in known:
            raise InputError(f"base.credit.{key} is not an option of any method")


def _check_options(variant: Variant) -> None:
    """Refuse what the method has no use for, and values out of its range."""
    options = {key: value for key, value in variant.credit.items() if key != "method"}
    try:
        make(variant.credit["method"], **options)
    except InputError as error:
        raise InputError(f"variant {variant.name!r}: {error}") from None


def _settings(
    file: ComparisonFile, name: str, sections: Sections, seed: int, out: Path
) -> dict[str, dict[str, Any]]:
    """What all runs of an environment and seed share, as the tables of a settings file."""
    merged = _merged({k: v for k, v in file.base.items() if k != "credit"}, sections)
    merged = _merged(merged, {"run": {"seed": seed}})
    env = parse_config({"env": merged.get("env", {})}, where=f"environment {name!r}").env
    data = registry.get(env.name).data(env.data)  # an unknown name is refused
    if data is not None:  # perhaps from a variable, which may change; the comparison does not
        merged = _merged(merged, {"env": {"data": data}})
    if merged.get("policy", {}).get("model", BUILTIN) == BUILTIN:
        merged = _merged(merged, {"policy": {"model": str(out / name / COLD_START / "policy")}})
    return merged


def _run(
    file: ComparisonFile, name: str, sections: Sections, variant: Variant, seed: int, out: Path
) -> Run:
    folder = out / name / variant.name / f"seed-{seed}"
    shared = _settings(file, name, sections, seed, out)
    base = parse_config(shared, where=f"environment {name!r}")
    rollout = _fair_rollout(variant, base)
    own = {"credit": variant.credit, "rollout": rollout, "run": {"out": str(folder)}}
    config = parse_config(_merged(shared, own), where=f"variant {variant.name!r}")
    return Run(name, variant.name, seed, folder, config)


def _fair_rollout(variant: Variant, base: TrainConfig) -> dict[str, Any]:
    """The variant's rollout settings, with as many episodes per update as all others have."""
    rollout = dict(variant.rollout)
    budget = episodes_per_update(base)
    size = rollout.get("group_size", base.rollout.group_size)
    for key in ("group_size", "tasks"):
        if not isinstance(rollout.get(key, 1), int):
            raise InputError(
                f"variant {variant.name!r}: rollout.{key} is {rollout[key]!r}; give a whole number"
            )
    if "group_size" in rollout and "tasks" not in rollout and size:
        if budget % size:
            raise InputError(
                f"variant {variant.name!r}: a group_size of {size} does not divide the {budget} "
                "episodes of an update; choose one that does, so that budgets are equal"
            )
        rollout["tasks"] = budget // size
    episodes = rollout.get("tasks", base.rollout.tasks) * size
    if episodes != budget:
        raise InputError(
            f"variant {variant.name!r} plays {episodes} episodes per update and the others "
            f"{budget}: unfair; leave out its tasks, or choose tasks x group_size = {budget}"
        )
    return rollout


def _cold_start(file: ComparisonFile, name: str, sections: Sections, seed: int, out: Path) -> Run:
    folder = out / name / COLD_START / f"seed-{seed}"
    shared = _settings(file, name, sections, seed, out)
    base = parse_config(shared, where=f"environment {name!r}")
    if base.optim.updates < 1:
        raise InputError(f"optim.updates is {base.optim.updates}; give at least 1")
    own = {"optim": {"updates": 0}, "run": {"out": str(folder)}}
    config = parse_config(_merged(shared, own), where=f"environment {name!r}")
    return Run(name, COLD_START, seed, folder, config)


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Nested tables, those of `above` winning."""
    merged = dict(below)
    for key, value in above.items():
        inner = merged.get(key)
        if isinstance(value, Mapping) and isinstance(inner, Mapping):
            merged[key] = _merged(inner, value)
        else:
            merged[key] = value
    return merged


def _without_repeats(
    variants: tuple[Variant, ...], configs: Mapping[str, Sequence[TrainConfig]]
) -> tuple[tuple[Variant, ...], dict[str, str]]:
    """Leave out points of sweeps that are a variant already, in every environment.

    `configs` has the settings of each variant, one per environment. Also returns by which variant
    each name is to be looked up. Two other variants that are the same are refused: they could
    only differ by rounding.
    """
    kept: dict[str, Variant] = {}
    renamed: dict[str, str] = {}
    same: dict[tuple[object, ...], str] = {}
    for variant in variants:
        settings = tuple((config.credit, config.rollout) for config in configs[variant.name])
        first = same.setdefault(settings, variant.name)
        renamed[variant.name] = first
        if first == variant.name:
            kept[first] = variant
        elif variant.kind == "sweep":
            seeds = dict.fromkeys([*kept[first].seeds, *variant.seeds])
            kept[first] = dataclasses.replace(kept[first], seeds=tuple(seeds))
        else:
            raise InputError(
                f"variants {first!r} and {variant.name!r} are the same; leave one of them out"
            )
    return tuple(kept.values()), renamed


def _sweep(table: SweepTable, renamed: Mapping[str, str]) -> Sweep:
    points = [(value, renamed[_point_name(table, value)]) for value in table.values]
    return Sweep(table.setting, table.method, tuple(points))


def _reference(file: ComparisonFile, variants: tuple[Variant, ...]) -> str:
    names = [variant.name for variant in variants]
    if file.reference is None:
        return "proxmo" if "proxmo" in names else names[0]
    if file.reference not in names:
        raise InputError(
            f"reference {file.reference!r} is not a variant; choose from {', '.join(names)}"
        )
    return file.reference
