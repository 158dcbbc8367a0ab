"""`proxmo evaluate`: measure a model."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass
from rich.console import Console
from tyro.conf import FlagCreatePairsOff, arg, create_mutex_group

import proxmo
from proxmo.commands.console import make_console
from proxmo.commands.models import model_named
from proxmo.commands.options import parse_options
from proxmo.commands.result_file import (
    answers_file,
    check_answers,
    check_out,
    check_same,
    forget_answers,
    write_result,
)
from proxmo.config import PolicyConfig, Share, Switch, TemplateOptions
from proxmo.envs import registry
from proxmo.envs.spec import EnvSpec
from proxmo.errors import InputError, ProxmoError
from proxmo.evaluation.tasks import sample_tasks
from proxmo.files import digest_of
from proxmo.policies.journal import Journal
from proxmo.progress import Bars
from proxmo.prompts import Prompter
from proxmo.types import FailedEpisodes

if TYPE_CHECKING:
    from proxmo.episodes.play import RolloutProgress
    from proxmo.evaluation.prompting.examples import Example
    from proxmo.evaluation.prompting.trials import Prompted

_DECODING = create_mutex_group(required=False, title="decoding")
TRIALS = 3
"""Attempts of Reflexion unless the user says otherwise."""
LONG_PROMPT = 8192
"""Longest prompt, in tokens, of a local model that is told examples or lessons."""


@dataclass(frozen=True)
class EvaluateOptions:
    """Measure a model's success, per task type, with 95 % intervals.

    A model that proxmo trained is prompted as it was trained.
    """

    model: str
    """A run folder, a model folder, a Hugging Face id, a `.gguf` file or `builtin`; with
    --endpoint the server's name for the model."""
    data: Annotated[str | None, arg(aliases=["--games"])] = None
    """Data of the environment, a file or a folder; none: what the environment's variable says, else
    generated tasks."""
    split: str = "valid"
    """Split to draw tasks from; `valid`: tasks that training never sees."""
    tasks: Annotated[int, Field(ge=0)] = 128
    """Tasks, drawn with the seed and played once each; 0: the whole split."""
    greedy: Annotated[FlagCreatePairsOff[bool], _DECODING] = False
    """Take the most likely token each time."""
    sampled: Annotated[FlagCreatePairsOff[bool], _DECODING] = False
    """Sample tokens, as training does (the default)."""
    temperature: Annotated[float, Field(gt=0)] = 1.0
    """Sampling temperature, > 0."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Seed of the tasks and of sampling, at least 0."""
    out: Path | None = None
    """JSON file to write the result to; one with a result of other settings is refused. Until it
    is written, a server's answers are kept beside it (`OUT.answers.jsonl`): an evaluation that was
    broken off goes on with the same command."""
    env: str = registry.DEFAULT
    """Environment: a name of the registry, or `module:NAME` of an `EnvSpec`."""
    max_steps: Annotated[int, Field(ge=1)] | None = None
    """Most steps of an episode, at least 1; none: the environment's own."""
    noise: Share = 0.0
    """Share of observations, in [0, 1], that are followed by a sentence that says nothing of the
    task; see `--env.noise` of `proxmo train`."""
    timeout: Annotated[float, Field(gt=0)] | None = None
    """Seconds that a call to the environment may take, > 0: one that takes longer ends its
    episode as one that raises does; none: it is waited for."""
    failed_episodes: FailedEpisodes = "drop"
    """What becomes of an episode that its environment broke off: `drop`: it enters no mean and no
    rate; `fail`: it counts as a failure."""
    gguf_file: str | None = None
    """Name of the GGUF file inside the folder or repository `model`."""
    context: Literal["auto", "window", "conversation"] = "auto"
    """How the model sees the past; `auto`: as it was trained, else the paper's window."""
    prompt: Literal["auto", "compact", "numbered", "think"] = "auto"
    """Format of prompt and response; `auto`: as it was trained, else the paper's think."""
    history: Annotated[int, Field(ge=0)] | None = None
    """Past turns in a window prompt, at least 0; none: the model's own, else 2 (paper)."""
    max_prompt_tokens: Annotated[int, Field(ge=1)] | None = None
    """Longest prompt of a window step, which leaves out its oldest turns first, or whole
    conversation, which then ends; none: the model's own, else the environment's, 8192 where
    examples are told. A server has a limit of its own."""
    max_response_tokens: Annotated[int, Field(ge=1)] | None = None
    """Most tokens of one response; none: the model's own, else 512 for think prompts (paper)
    and 16 for others."""
    list_actions: Switch = None
    """Whether think prompts list the admissible actions (`true` or `false`); none: the model's own,
    else true (paper)."""
    template: TemplateOptions = field(default_factory=dict)
    """Variables of the chat template, such as `enable_thinking=false`; for models that run here."""
    method: Literal["zero-shot", "react", "reflexion"] = "zero-shot"
    """`zero-shot`: the task alone, as in training; `react`: after examples of thoughts and
    actions; `reflexion`: as react, and a task that failed is tried again, after the model has
    written down why."""
    trials: Annotated[int, Field(ge=1)] | None = None
    """Attempts at a task under `reflexion`, at least 1; none: 3."""
    examples: Path | None = None
    """TOML file of examples for `react` and `reflexion`; none: those of proxmo."""
    endpoint: str | None = None
    """Address of an OpenAI-compatible server, such as `http://localhost:8000/v1`; none: the
    model runs here."""
    key_variable: str = "OPENAI_API_KEY"
    """Environment variable that holds the server's key; local servers need none."""
    concurrency: Annotated[int, Field(ge=1)] = 8
    """Most requests at once, at least 1."""
    request_timeout: Annotated[float, Field(gt=0)] = 120.0
    """Seconds that a request may take, > 0."""
    retries: Annotated[int, Field(ge=0)] = 6
    """How often a request is repeated that failed for a passing reason, at least 0."""


def main(arguments: Sequence[str]) -> None:
    """Play the tasks, print a table and write JSON when asked to."""
    options = parse_options(EvaluateOptions, arguments, prog="proxmo evaluate")
    if options.out is not None:
        check_out(options.out)
    _check_together(options)
    spec = registry.get(options.env)
    examples = _examples(options)
    found = spec.load_tasks(options.split, options.data, options.seed)
    tasks = sample_tasks(found, options.tasks, options.seed)
    from proxmo.evaluation.prompting.trials import prompt

    console = make_console()
    journal = _journal(options)
    with (
        _kept(journal, console),
        Bars(console) as bars,
        _contender(options, spec, bars, journal) as contender,
    ):
        settings = _settings(options, spec, contender)
        if options.out is not None:
            check_same(options.out, settings)
        if journal is not None:
            check_answers(journal, settings)
        prompted = prompt(
            options.method,
            contender.policy,
            lambda: spec.make(max_steps=options.max_steps),
            tasks,
            seed=options.seed,
            examples=examples,
            trials=options.trials or TRIALS,
            greedy=options.greedy,
            temperature=options.temperature,
            timeout=options.timeout,
            noise=options.noise,
            failed_episodes=options.failed_episodes,
            on_progress=_progress(options, bars),
        )
    # Written first: whatever goes wrong on the terminal, the result is there.
    if options.out is not None:
        record = {"proxmo": proxmo.__version__, **settings, **prompted.to_dict()}
        write_result(options.out, record)
        if journal is not None:
            forget_answers(journal)
    _show(console, options, spec, prompted)


def _show(console: Console, options: EvaluateOptions, spec: EnvSpec, prompted: Prompted) -> None:
    from proxmo.evaluation.prompting.report import trials_table, usage_line
    from proxmo.evaluation.report import errors_line, evaluation_table

    evaluation = prompted.evaluation
    console.print(evaluation_table(evaluation, _title(options, spec), spec))
    if evaluation.overall.errors:
        errors = evaluation.overall.errors
        console.print(errors_line(errors, evaluation.first_error, options.failed_episodes))
    if options.method == "reflexion":
        console.print(trials_table(prompted.trials))
    console.print(usage_line(prompted.usage))
    if options.out is not None:
        console.print(f"written to {options.out}")


def _title(options: EvaluateOptions, spec: EnvSpec) -> str:
    model = options.model + (f" at {options.endpoint}" if options.endpoint else "")
    method = "" if options.method == "zero-shot" else f", {options.method}"
    decoding = "greedy" if options.greedy else f"sampled at temperature {options.temperature:g}"
    source = spec.data(options.data) or "generated tasks"
    noise = f", noise {options.noise:g}" if options.noise else ""
    return f"{model} on {options.split} of {source}{noise}{method}, {decoding}"


def _settings(options: EvaluateOptions, spec: EnvSpec, contender: _Contender) -> dict[str, Any]:
    """All that the numbers depend on."""
    prompter = contender.policy.prompter
    reflexion = options.method == "reflexion"
    return {
        "model": options.model,
        "weights": contender.weights,
        "endpoint": options.endpoint,
        "method": options.method,
        "examples": None if options.examples is None else str(options.examples),
        "examples_digest": None if options.examples is None else digest_of(options.examples),
        "most_trials": (options.trials or TRIALS) if reflexion else 1,
        "env": options.env,
        "data": spec.data(options.data),
        "data_fingerprint": spec.fingerprint(options.data),
        "split": options.split,
        "tasks": options.tasks,
        "seed": options.seed,
        "greedy": options.greedy,
        "temperature": options.temperature,
        "context": contender.policy.context,
        "prompt": prompter.style,
        "history": prompter.history,
        "actions_listed": prompter.style == "think" and prompter.list_actions,
        "template": contender.template,
        "response_opened": contender.response_opened,
        "max_steps": spec.max_steps if options.max_steps is None else options.max_steps,
        "max_prompt_tokens": contender.max_prompt_tokens,
        "max_response_tokens": contender.max_response_tokens,
        "noise": options.noise,
        "timeout": options.timeout,
        "failed_episodes": options.failed_episodes,
    }


def _progress(options: EvaluateOptions, bars: Bars) -> Callable[[int, RolloutProgress], None]:
    def show(trial: int, progress: RolloutProgress) -> None:
        name = f"trial {trial}" if options.method == "reflexion" else "evaluation"
        bars.episodes(name, progress)

    return show


def _examples(options: EvaluateOptions) -> list[Example]:
    if options.method == "zero-shot":
        return []
    from proxmo.evaluation.prompting.examples import load_examples

    return load_examples(options.env, options.examples)


def _journal(options: EvaluateOptions) -> Journal | None:
    """Where the answers of a server are kept until the result is written."""
    path = answers_file(options.out)
    return None if options.endpoint is None or path is None else Journal(path)


@contextmanager
def _kept(journal: Journal | None, console: Console) -> Iterator[None]:
    """Say what was kept when an evaluation is broken off."""
    try:
        yield
    except (ProxmoError, KeyboardInterrupt):
        if journal is not None and len(journal):
            console.print(
                f"{len(journal):,} answers are kept in {journal.path}; the same command goes on "
                "from there"
            )
        raise


@dataclass(frozen=True)
class _Contender:
    """Who is evaluated, and the limits that hold for it."""

    policy: Any
    """A `Policy`."""
    max_prompt_tokens: int | None
    """None: a server's own."""
    max_response_tokens: int
    weights: str | None = None
    """A name of the weights; None: a server's, unknown, as are the two that follow."""
    template: Mapping[str, Any] | None = None
    """Variables of the chat template: the model's own and those given."""
    response_opened: str | None = None
    """What the chat template says for the model before each response: whether it thinks."""


@contextmanager
def _contender(
    options: EvaluateOptions, spec: EnvSpec, bars: Bars, journal: Journal | None
) -> Iterator[_Contender]:
    if options.endpoint is None:
        # Seconds of imports, torch among them: only once the options are right.
        from proxmo.policies.transformers import load_policy
        from proxmo.training.checkpoint import digest

        longest = spec.prompt_tokens if options.method == "zero-shot" else LONG_PROMPT
        config = _policy_config(options, spec, bars)
        local = load_policy(
            config, prompt_tokens=max(longest, spec.prompt_tokens), codec=spec.make_codec()
        )
        limits = local.settings
        yield _Contender(
            local,
            limits.max_prompt_tokens,
            limits.max_response_tokens,
            weights=digest(local.model),
            template=limits.template,
            response_opened=local.chat.opened,
        )
        return
    from proxmo.policies.endpoint import Endpoint, EndpointPolicy

    prompter = Prompter(
        "think" if options.prompt == "auto" else options.prompt,
        2 if options.history is None else options.history,
        spec.make_codec(),
        options.list_actions is not False,
    )
    endpoint = Endpoint(
        options.endpoint,
        options.model,
        key_variable=options.key_variable,
        concurrency=options.concurrency,
        timeout=options.request_timeout,
        retries=options.retries,
        max_response_tokens=options.max_response_tokens
        or (512 if prompter.style == "think" else 16),
    )
    policy = EndpointPolicy(
        endpoint,
        context="window" if options.context == "auto" else options.context,
        prompter=prompter,
        journal=journal,
        environment=os.environ,
    )
    try:
        yield _Contender(policy, None, endpoint.max_response_tokens)
    finally:
        policy.close()


def _policy_config(options: EvaluateOptions, spec: EnvSpec, bars: Bars) -> PolicyConfig:
    model = model_named(options.model, spec, options.data, options.max_steps, options.noise, bars)
    return PolicyConfig(
        model=model,
        gguf_file=options.gguf_file,
        context=options.context,
        prompt=options.prompt,
        history=options.history,
        max_prompt_tokens=options.max_prompt_tokens,
        max_response_tokens=options.max_response_tokens,
        list_actions=options.list_actions,
        template=options.template,
    )


def _check_together(options: EvaluateOptions) -> None:
    """Refuse options that would be ignored."""
    if options.trials is not None and options.method != "reflexion":
        raise InputError(
            f"--trials {options.trials} belongs to --method reflexion; every task is played once "
            f"under {options.method}"
        )
    if options.examples is not None and options.method == "zero-shot":
        raise InputError(
            f"--examples {options.examples} are not told under --method zero-shot; choose react "
            "or reflexion"
        )
    local = {"--gguf-file": options.gguf_file, "--max-prompt-tokens": options.max_prompt_tokens}
    if options.template:
        local["--template"] = " ".join(options.template)
    for flag, value in local.items():
        if options.endpoint is not None and value is not None:
            raise InputError(f"{flag} {value} is for a model that runs here; drop it or --endpoint")
