"""`proxmo evaluate`: measure a model."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass
from rich.console import Console
from tyro.conf import FlagCreatePairsOff, arg, create_mutex_group

from proxmo.commands.options import parse_options
from proxmo.config import BUILTIN, PolicyConfig, SftConfig
from proxmo.envs import registry
from proxmo.envs.registry import EnvSpec
from proxmo.errors import InputError
from proxmo.evaluation.tasks import sample_tasks
from proxmo.progress import Bars

_DECODING = create_mutex_group(required=False, title="decoding")


@dataclass(frozen=True)
class EvaluateOptions:
    """Measure a model's success, per task type, with 95 % intervals.

    A model that proxmo trained is prompted as it was trained.
    """

    model: str
    """A run folder, a model folder, a Hugging Face id, a `.gguf` file or `builtin`."""
    data: Annotated[str | None, arg(aliases=["--games"])] = None
    """Data of the environment (ALFWorld: game file, folder or archive; WebShop: folder); none:
    what its variable says ($ALFWORLD_DATA, $WEBSHOP_DATA), else generated tasks."""
    split: str = "valid"
    """Split to draw tasks from; `valid`: of the official ALFWorld games, valid_seen."""
    tasks: Annotated[int, Field(ge=0)] = 128
    """Tasks, drawn with the seed and played once each; 0: the whole split."""
    greedy: Annotated[FlagCreatePairsOff[bool], _DECODING] = False
    """Take the most likely token each time."""
    sampled: Annotated[FlagCreatePairsOff[bool], _DECODING] = False
    """Sample tokens, as training does (the default)."""
    temperature: Annotated[float, Field(gt=0)] = 1.0
    """Sampling temperature, > 0."""
    seed: int = 0
    """Seed of the tasks and of sampling."""
    out: Path | None = None
    """JSON file to write the result to."""
    env: str = "alfworld"
    """Environment: a name of the registry, or `module:NAME` of an `EnvSpec`."""
    max_steps: Annotated[int, Field(ge=1)] | None = None
    """Most steps of an episode, at least 1; none: the environment's own (ALFWorld: 50, WebShop:
    15)."""
    gguf_file: str | None = None
    """Name of the GGUF file inside the folder or repository `model`."""
    context: Literal["auto", "window", "conversation"] = "auto"
    """How the model sees the past; `auto`: as it was trained, else the paper's window."""
    prompt: Literal["auto", "compact", "think"] = "auto"
    """Format of prompt and response; `auto`: as it was trained, else the paper's think."""


def main(arguments: Sequence[str]) -> None:
    """Play the tasks, print a table and write JSON when asked to."""
    options = parse_options(EvaluateOptions, arguments, prog="proxmo evaluate")
    _check_writable(options.out)
    spec = registry.get(options.env)
    found = spec.load_tasks(options.split, options.data, options.seed)
    tasks = sample_tasks(found, options.tasks, options.seed)
    # Seconds of imports, torch among them: only once the options are right.
    from proxmo.evaluation.evaluate import evaluate
    from proxmo.evaluation.report import evaluation_table
    from proxmo.policies.transformers import load_policy

    console = Console(highlight=False)
    with Bars(console) as bars:
        policy = load_policy(_policy_config(options, spec, bars), prompt_tokens=spec.prompt_tokens)
        evaluation = evaluate(
            policy,
            lambda: spec.make(max_steps=options.max_steps),
            tasks,
            seed=options.seed,
            greedy=options.greedy,
            temperature=options.temperature,
            on_progress=partial(bars.episodes, "evaluation"),
        )
    decoding = "greedy" if options.greedy else f"sampled at temperature {options.temperature:g}"
    source = spec.data(options.data) or "generated tasks"
    console.print(
        evaluation_table(evaluation, f"{options.model} on {options.split} of {source}, {decoding}")
    )
    if options.out is not None:
        settings = {
            "model": options.model,
            "env": options.env,
            "data": spec.data(options.data),
            "split": options.split,
            "seed": options.seed,
            "greedy": options.greedy,
            "temperature": options.temperature,
        }
        text = json.dumps({**settings, **evaluation.to_dict()}, indent=2)
        options.out.write_text(text + "\n", encoding="utf-8")
        console.print(f"written to {options.out}", soft_wrap=True)


def _policy_config(options: EvaluateOptions, spec: EnvSpec, bars: Bars) -> PolicyConfig:
    model = options.model
    if model == BUILTIN:
        from proxmo.training.sft import cold_start

        model = str(cold_start(spec, options.data, SftConfig(), report=bars.cold_start))
    return PolicyConfig(
        model=model,
        gguf_file=options.gguf_file,
        context=options.context,
        prompt=options.prompt,
    )


def _check_writable(out: Path | None) -> None:
    """An evaluation can take an hour: find out now that its result has nowhere to go."""
    if out is not None and (out.is_dir() or not out.absolute().parent.is_dir()):
        raise InputError(f"--out {out} cannot be written: give a file in a folder that exists")
