"""The settings of a run: typed, range-checked, closed to unknown keys.

Defaults state the vetted run, `proxmo train` with no argument. A value of `None` means
"decided by the policy or the environment": the built-in policy and full-size models differ
in scale by a factor of a thousand, and so do their learning rates.
"""

from __future__ import annotations

import dataclasses
import json
import tomllib
from collections.abc import Mapping
from dataclasses import field
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import ConfigDict, Field, PlainValidator, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass
from tyro.conf import arg
from tyro.constructors import PrimitiveConstructorSpec

from proxmo.envs import registry
from proxmo.errors import InputError
from proxmo.types import FailedEpisodes

if TYPE_CHECKING:
    from proxmo.credit import Estimator
else:  # not needed to read the settings, and the command line goes by the value at hand
    Estimator = Any

_SWITCHES = {"none": None, "true": True, "false": False}


def _assignment(word: str) -> tuple[str, bool | int | float | str]:
    """`name=value`, where the value is a number, true, false or else a text."""
    name, separator, text = word.partition("=")
    if not separator or not name:
        raise ValueError(f"{word!r} is not NAME=VALUE, such as enable_thinking=false")
    try:
        value = json.loads(text)
    except ValueError:
        value = text
    return name, value if isinstance(value, bool | int | float | str) else text


Positive = Annotated[int, Field(ge=1)]
Count = Annotated[int, Field(ge=0)]
PositiveFloat = Annotated[float, Field(gt=0)]
NonNegativeFloat = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]
LearningRate = Annotated[float, Field(gt=0, le=1)]

Switch = Annotated[
    bool | None,
    PrimitiveConstructorSpec(
        nargs=1,
        metavar="{none,true,false}",
        instance_from_str=lambda words: _SWITCHES[words[0].lower()],
        is_instance=lambda value: value is None or isinstance(value, bool),
        str_from_instance=lambda value: [str(value).lower()],
        choices=tuple(_SWITCHES),
    ),
]
"""On the command line as in TOML: true or false."""
TemplateOptions = Annotated[
    dict[str, bool | int | float | str],
    PrimitiveConstructorSpec(
        nargs="*",
        metavar="NAME=VALUE",
        instance_from_str=lambda words: dict(map(_assignment, words)),
        is_instance=lambda value: isinstance(value, dict),
        str_from_instance=lambda value: [f"{k}={json.dumps(v)}" for k, v in value.items()],
    ),
]
"""Variables of a chat template: `enable_thinking=false` on the command line, a table in TOML."""

_CLOSED = ConfigDict(extra="forbid", allow_inf_nan=False)

BUILTIN = "builtin"
"""Name of the small policy that is made on the spot."""


@dataclass(frozen=True, config=_CLOSED)
class EnvConfig:
    """What the agent acts in."""

    name: Annotated[str, arg(aliases=["--env"])] = registry.DEFAULT
    """Environment: a name of the registry, or `module:NAME` of an `EnvSpec`."""
    data: Annotated[str | None, arg(aliases=["--data", "--games"])] = None
    """Data of the environment, a file or a folder; none: what the environment's variable says, else
    generated tasks."""
    train_split: str = "train"
    """Split that training draws tasks from."""
    eval_split: str = "valid"
    """Split that evaluation draws tasks from: tasks that training never sees."""
    max_steps: Annotated[Positive | None, arg(aliases=["--max-steps"])] = None
    """Most steps of an episode, at least 1; none: the environment's own."""
    reward: Literal["success", "score"] = "success"
    """What is rewarded: `success` with 10 (paper), or the environment's own `score` of an episode,
    times 10, where it gives one: what is nearly right is worth something, too, so that more
    groups have something to tell apart."""
    noise: Annotated[Share, arg(aliases=["--noise"])] = 0.0
    """Share of observations, in [0, 1], that are followed by a sentence that says nothing of the
    task, such as an advertisement or the time, so that states do not repeat."""
    timeout: PositiveFloat | None = None
    """Seconds that a call to the environment may take, > 0: one that takes longer ends its
    episode as one that raises does; none: it is waited for."""


@dataclass(frozen=True, config=_CLOSED)
class PolicyConfig:
    """Which language model acts, and how it sees the past."""

    model: Annotated[str, arg(aliases=["--model"])] = BUILTIN
    """`builtin`, a Hugging Face id or folder, or a `.gguf` file."""
    gguf_file: str | None = None
    """Name of the GGUF file inside the folder or repository `model`."""
    context: Literal["auto", "window", "conversation"] = "auto"
    """`window`: each step its own prompt; `conversation`: one growing dialogue;
    `auto`: the built-in policy's own, window for others (the paper's)."""
    prompt: Literal["auto", "compact", "numbered", "think"] = "auto"
    """`think`: the paper's <think>…</think><action>…</action>; `compact`: the bare action;
    `numbered`: the same, written as the environment's codec does; `auto`: the model's own, else
    think."""
    history: Count | None = None
    """Past turns in a window prompt, at least 0; none: the model's own, else 2 (paper)."""
    max_prompt_tokens: Positive | None = None
    """Longest prompt of a window step, which then leaves out its oldest turns first, or whole
    conversation, which then ends; none: the model's own, else the environment's."""
    max_response_tokens: Positive | None = None
    """Most tokens of one response; none: the model's own, else 512 for think prompts (paper)
    and 16 for others."""
    list_actions: Switch = None
    """Whether think prompts list the admissible actions (`true` or `false`); none: the model's own,
    else true (paper). ReAct and Reflexion were published without."""
    template: TemplateOptions = field(default_factory=dict)
    """Variables of the chat template, such as `enable_thinking=false`; of those not given, the
    model's own."""
    dtype: Literal["auto", "float32", "bfloat16"] = "auto"
    """Precision of computation; `auto`: bfloat16 on a GPU and on a CPU that has instructions for
    it, else float32. Weights that are trained are kept in float32 either way: bfloat16 cannot
    hold a step of 1e-6."""
    lora_rank: Count = 0
    """Rank of LoRA adapters on all linear layers; 0 trains every weight."""
    lora_alpha: PositiveFloat = 32.0
    """LoRA's scale alpha."""
    gradient_checkpointing: bool = False
    """Trade time for memory in the backward pass."""


def _estimator(given: Any) -> Any:
    """The estimator that a table of settings describes, or one that is made already.

    Its own dataclass says which options there are, and its `__post_init__` checks them. An older
    run folder lists every option of every method: one that the method lacks is passed over where
    it says no more than another method's default.
    """
    from proxmo import credit  # half a second of imports, which most commands have no use for

    if not isinstance(given, Mapping):
        if callable(given):
            return given
        raise ValueError("give a table with a method and its options")
    options = dict(given)
    method = options.pop("method", credit.DEFAULT_METHOD)
    own = credit.defaults(method)
    everyones = [credit.defaults(name).items() for name in credit.CREDIT]
    return credit.make(
        method,
        **{
            name: value
            for name, value in options.items()
            if name in own or not any((name, value) in items for items in everyones)
        },
    )


def with_method(config: TrainConfig, method: str) -> TrainConfig:
    """The settings with another credit method, which keeps what was changed of the options."""
    from proxmo.credit import defaults, method_of

    default = defaults(method_of(config.credit))
    changed = {name: getattr(config.credit, name) for name in default}
    options = {name: value for name, value in changed.items() if value != default[name]}
    return dataclasses.replace(config, credit=_estimator({"method": method, **options}))


@dataclass(frozen=True, config=_CLOSED)
class RolloutConfig:
    """How many episodes an update collects."""

    tasks: Positive = 16
    """Tasks per update (paper: 16)."""
    group_size: Annotated[int, Field(ge=2)] = 8
    """Trajectories per task, which are compared with each other (paper: 8), at least 2."""
    temperature: PositiveFloat = 1.0
    """Sampling temperature, > 0."""
    failed_episodes: FailedEpisodes = "drop"
    """What becomes of an episode that its environment broke off: `drop`: it enters no mean and no
    rate; `fail`: it counts as a failure. Nothing of it is trained on either way."""


@dataclass(frozen=True, config=_CLOSED)
class OptimConfig:
    """The loss and the optimizer."""

    updates: Annotated[Count, arg(aliases=["--updates"])] = 30
    """Policy updates in all."""
    learning_rate: LearningRate | None = None
    """AdamW's step, in (0, 1]; none: 1e-6 for full-size models (paper), 1e-5 with LoRA, 3e-4
    built-in."""
    epochs: Positive = 1
    """Passes over each batch of trajectories, at least 1."""
    minibatches: Positive = 2
    """Optimizer steps per pass, at least 1."""
    clip_low: PositiveFloat = 0.2
    """PPO's clip range below 1."""
    clip_high: PositiveFloat = 0.2
    """PPO's clip range above 1."""
    kl: NonNegativeFloat = 0.01
    """Weight of the k3 KL penalty to the frozen starting policy (paper: 0.01)."""
    max_grad_norm: PositiveFloat = 1.0
    """Gradients are clipped to this norm."""
    weight_decay: NonNegativeFloat = 0.0
    """AdamW's weight decay."""
    micro_batch_tokens: Positive | None = None
    """Most padded tokens in one forward-backward pass; none: 16384 on a GPU, 2048 on a CPU, whose
    caches they then fit."""


@dataclass(frozen=True, config=_CLOSED)
class RunConfig:
    """Where a run lives and what it keeps."""

    out: Annotated[str | None, arg(aliases=["--out"])] = None
    """Folder of the run; none: `runs/<env>-<method>-<number>`."""
    seed: Annotated[Count, arg(aliases=["--seed"])] = 0
    """Seed of tasks, sampling and generated games, at least 0."""
    checkpoint_every: Positive = 1
    """Updates between checkpoints."""
    keep_checkpoints: Positive = 2
    """Checkpoints kept; older ones are deleted."""
    eval_every: Count = 10
    """Updates between evaluations; 0 evaluates only before and after."""
    eval_tasks: Count = 128
    """Tasks of an evaluation; 0: the whole split."""
    save_trajectories: bool = True
    """Write every prompt, response, reward and advantage to `trajectories/`."""
    tracker: Literal["none", "tensorboard", "wandb", "mlflow"] = "none"
    """Experiment tracker beside `metrics.jsonl`."""


@dataclass(frozen=True, config=_CLOSED)
class SftConfig:
    """How the built-in policy is made."""

    demonstrations: Positive | None = None
    """Episodes of the expert to learn from; none: the environment's own."""
    stumble: Annotated[float, Field(ge=0, lt=1)] = 0.15
    """Share of the expert's steps replaced by a random one: what the expert does next shows how to
    go on after a mistake; in [0, 1)."""
    stumble_weight: Annotated[float | None, Field(ge=0)] = None
    """Weight of a random step's tokens in the loss, the expert's being 1; none: the environment's
    own. With 1 the policy learns to stumble, too, which leaves reinforcement more to win."""
    epochs: Positive | None = None
    """Passes over the demonstrations; none: the environment's own."""
    learning_rate: LearningRate = 0.02
    """Peak of Muon's step for the layers' matrices; AdamW's, for all else, is a tenth of it.
    Both warm up over a tenth of the training and then fall along a cosine."""
    batch_tokens: Positive = 2048
    """Most tokens per optimizer step."""
    observation_weight: Annotated[float, Field(ge=0)] = 0.5
    """Weight of an observation's tokens in the loss, an action's being 1: reading teaches
    a model made from nothing what the words mean."""
    action_share: Share = 0.1
    """Of texts in which a smaller share of the tokens is the expert's actions, some are left out,
    as many as it is smaller; in [0, 1], where 0 keeps all."""
    vocabulary: Positive | None = None
    """Tokens of the tokenizer; none: the environment's own."""
    context: Literal["window", "conversation"] | None = None
    """How the policy sees the past; none: as suits the environment."""
    seed: Count = 0
    """Seed of weights, order and the expert's choices, at least 0."""


@dataclass(frozen=True, config=_CLOSED)
class TrainConfig:
    """Everything `proxmo train` can be told."""

    env: EnvConfig = field(default_factory=EnvConfig)
    policy: PolicyConfig = field(default_factory=PolicyConfig)
    credit: Annotated[Estimator, PlainValidator(_estimator)] = field(
        default_factory=lambda: _estimator({})
    )
    """How trajectories become advantages: an estimator of `proxmo.CREDIT`, whose own fields are
    the settings, beside the `method` that names it."""
    rollout: RolloutConfig = field(default_factory=RolloutConfig)
    optim: OptimConfig = field(default_factory=OptimConfig)
    run: RunConfig = field(default_factory=RunConfig)


RUN_FILE = "config.toml"
"""The settings of a run, in its folder."""


def load_config(path: Path) -> TrainConfig:
    """Read a TOML file with the sections of `TrainConfig`; absent keys keep their defaults."""
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"config file {path} does not exist") from None
    except OSError as error:
        raise InputError(f"config file {path} cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"config file {path} is not valid TOML: {error}") from None
    except RecursionError:
        raise InputError(f"config file {path} is nested too deeply to be settings") from None
    return parse_config(data, where=str(path))


def parse_config(data: dict[str, Any], where: str) -> TrainConfig:
    """Build the settings from nested tables; errors name the key, the value and the way out."""
    try:
        return TypeAdapter(TrainConfig).validate_python(data)
    except ValidationError as error:
        problems = "; ".join(_explain(problem) for problem in error.errors())
        raise InputError(f"{where}: {problems}") from None


def config_dict(config: TrainConfig) -> dict[str, Any]:
    """The settings as nested tables ready for TOML, which has no null: `None` is left out.

    Raises `InputError` for a credit method without a name, or with an option that is a function:
    a file cannot hold them.
    """
    from proxmo.credit import method_of

    def without_none(table: dict[str, Any]) -> dict[str, Any]:
        return {
            key: without_none(value) if isinstance(value, dict) else value
            for key, value in table.items()
            if value is not None
        }

    tables = dataclasses.asdict(config)
    for name, value in tables["credit"].items():
        if callable(value):
            raise InputError(
                f"credit.{name} is a function, which the settings of a run cannot hold; add a "
                "method to proxmo.CREDIT that uses it"
            )
    tables["credit"] = {"method": method_of(config.credit), **tables["credit"]}
    return without_none(tables)


def _explain(problem: Any) -> str:
    path = [str(part) for part in problem["loc"]]
    error = problem.get("ctx", {}).get("error")
    if isinstance(error, InputError):  # an estimator's own sentence, which begins with the option
        return str(error) if str(error).startswith("credit ") else f"{'.'.join(path)}.{error}"
    if problem["type"] != "unexpected_keyword_argument":
        return f"{'.'.join(path)} = {problem['input']!r}: {problem['msg']}"
    known = _keys(path[:-1])
    close = get_close_matches(path[-1], known, n=1)
    way_out = f"did you mean {close[0]!r}?" if close else f"known keys: {', '.join(known)}"
    return f"{'.'.join(path)} is not a setting; {way_out}"


def _keys(path: list[str]) -> list[str]:
    table: Any = TrainConfig()
    for part in path:
        table = getattr(table, part)
    return [entry.name for entry in dataclasses.fields(table)]
