"""`proxmo doctor`: whether an adapter is ready, and if not, why not."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module, metadata

import proxmo
from proxmo.adapters.versions import TESTED, is_allowed, is_tested
from proxmo.errors import ProxmoError
from proxmo.text import shown


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    name: str
    good: bool
    detail: str
    """What was found and, where it is not good, what to do."""


@dataclass(frozen=True, slots=True)
class Framework:
    """What to look at for one framework."""

    package: str
    """Distribution whose version decides."""
    modules: tuple[str, ...]
    """Modules of proxmo that work in it; each must import."""
    extra_checks: Callable[[], list[Finding]] = list


def plugin_findings() -> list[Finding]:
    """Whether verl finds proxmo's plugin, may load it, and has what the plugin registers."""
    points = [
        point for point in metadata.entry_points(group="verl.plugins") if point.name == "proxmo"
    ]
    policy = os.environ.get("VERL_USE_EXTERNAL_PLUGINS", "auto").strip().lower()
    allowed = policy == "auto" or "proxmo" in [name.strip() for name in policy.split(",")]
    findings = [
        Finding(
            "entry point verl.plugins",
            bool(points),
            points[0].value if points else "not found; install proxmo anew in this environment",
        ),
        Finding(
            "VERL_USE_EXTERNAL_PLUGINS",
            allowed,
            policy if allowed else f"is {policy!r}, which leaves proxmo out; unset it",
        ),
    ]
    return findings + [_registered(*place) for place in _REGISTRIES]


_REGISTRIES = (
    ("agent loop proxmo", "verl.experimental.agent_loop.agent_loop:_agent_loop_registry", "proxmo"),
    ("estimator proxmo", "verl.trainer.ppo.core_algos:ADV_ESTIMATOR_REGISTRY", "proxmo"),
    ("trainer proxmo_sync", "verl.trainer.ppo.v1.trainer_base:TRAINER_REGISTRY", "proxmo_sync"),
)


def _registered(name: str, registry: str, key: str) -> Finding:
    module, _, attribute = registry.partition(":")
    try:
        found = key in getattr(import_module(module), attribute)
    except Exception as error:  # what another package raises when imported is what we are after
        return Finding(name, False, f"cannot import {module}: {_line(error)}")
    return Finding(name, found, "registered" if found else "not registered by `import verl`")


FRAMEWORKS = {
    "openenv": Framework("openenv", ("proxmo.adapters.openenv",)),
    "skyrl": Framework(
        "skyrl", ("proxmo.adapters.skyrl.environment", "proxmo.adapters.skyrl.trainer")
    ),
    "trl": Framework("trl", ("proxmo.adapters.trl",)),
    "verifiers": Framework("verifiers", ("proxmo.adapters.verifiers",)),
    "verl": Framework("verl", ("proxmo.adapters.verl.plugin",), plugin_findings),
}


def examine(framework: Framework) -> list[Finding]:
    """Look at a framework: version first, then imports, then what is its own."""
    version = _version(framework.package)
    if not version.good and version.detail.startswith("not installed"):
        return [version]
    return [version, *map(_import, framework.modules), *framework.extra_checks()]


def _version(package: str) -> Finding:
    try:
        found = metadata.version(package)
    except metadata.PackageNotFoundError:
        return Finding(package, False, f"not installed; pip install 'proxmo[{package}]'")
    if is_tested(package, found):
        return Finding(package, True, found)
    return Finding(package, is_allowed(package), f"{found}; tested: {TESTED[package]}")


def _import(module: str) -> Finding:
    try:
        import_module(module)
    except Exception as error:  # what another package raises when imported is what we are after
        return Finding(module, False, _line(error))
    return Finding(module, True, "imports")


def _line(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".strip().partition("\n")[0]


def main(arguments: Sequence[str]) -> None:
    """Print what was found; raises `ProxmoError` when something is not ready."""
    parser = argparse.ArgumentParser(
        prog="proxmo doctor",
        description="Say whether an adapter is ready, and if not, why not.",
    )
    parser.add_argument("framework", choices=FRAMEWORKS, help="which framework's adapter")
    name = parser.parse_args(arguments).framework
    print(f"python {sys.version.split()[0]}, proxmo {proxmo.__version__}")
    findings = examine(FRAMEWORKS[name])
    width = max(len(finding.name) for finding in findings)
    for finding in findings:
        line = f"{'ok ' if finding.good else 'BAD'} {finding.name:<{width}}  {finding.detail}"
        print(shown(line))
    if bad := [finding.name for finding in findings if not finding.good]:
        raise ProxmoError(f"the {name} adapter is not ready: {', '.join(bad)}")
