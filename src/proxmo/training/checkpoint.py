"""The state of training on disk: trained weights and optimizer, in safetensors."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from proxmo.errors import InputError
from proxmo.files import digest_of, remove, whole

WEIGHTS, OPTIMIZER = "weights.safetensors", "optimizer.safetensors"
DIGESTS = "digests.json"
_MOMENTS = ("step", "exp_avg", "exp_avg_sq")
"""What AdamW keeps of each weight."""
_NAME = re.compile(r"update_(\d{5,})$")
_DIGESTED = 4096
"""Values of a tensor that its digest is made from, about."""


class DamagedCheckpointError(InputError):
    """A checkpoint is not what was written; the message says in what."""


def save_checkpoint(
    folder: Path, update: int, model: nn.Module, optimizer: torch.optim.Optimizer, keep: int
) -> Path:
    """Write the state after `update` updates, then delete all but the newest `keep`.

    Only weights that are trained are written: under LoRA, the adapters. A digest of each file
    is written beside them.
    """
    trained = _trained(model)
    states = optimizer.state
    moments = {
        f"{name}/{key}": value.detach().contiguous()
        for name, parameter in trained.items()
        for key, value in states[parameter].items()
    }
    target = folder / f"update_{update:05d}"
    with whole(target) as path:
        path.mkdir()
        weights = {name: parameter.detach().contiguous() for name, parameter in trained.items()}
        save_file(weights, path / WEIGHTS)
        save_file(moments, path / OPTIMIZER)
        digests = {name: digest_of(path / name) for name in (WEIGHTS, OPTIMIZER)}
        (path / DIGESTS).write_text(json.dumps(digests, indent=1), encoding="utf-8")
    found = found_checkpoints(folder)
    for number in sorted(found)[:-keep]:
        remove(found[number])
    return target


def found_checkpoints(folder: Path) -> dict[int, Path]:
    """The checkpoints in `folder`, by the number of updates made before."""
    return {
        int(match[1]): path
        for path in folder.glob("update_*")
        if (match := _NAME.match(path.name)) and path.is_dir()
    }


def load_checkpoint(path: Path, model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    """Put the state in `path` into the model and its optimizer, exactly as it was.

    Raises `DamagedCheckpointError` for one that is not what was written, naming the last good one
    beside it; `InputError` for one of another model. The model is then as it was.
    """
    trained = _trained(model)
    device = str(next(iter(trained.values())).device)
    try:
        check_files(path)
        weights, moments = (_tensors(path / name, device) for name in (WEIGHTS, OPTIMIZER))
        if weights.keys() != trained.keys():
            raise InputError(
                f"checkpoint {path} is of another model ({len(weights)} weight tensors, the model "
                f"trains {len(trained)}); continue with the settings that the run began with"
            )
        for name, parameter in trained.items():
            _check_alike(path / WEIGHTS, name, weights[name], parameter)
        _check_moments(path, moments, trained)
    except DamagedCheckpointError as error:
        raise DamagedCheckpointError(f"{error}; {_way_out(path)}") from None
    with torch.no_grad():
        for name, parameter in trained.items():
            parameter.copy_(weights[name])
            optimizer.state.pop(parameter, None)
    for key, value in moments.items():
        name, _, moment = key.rpartition("/")
        # PyTorch keeps AdamW's counter on the CPU whatever the device of the weights.
        state = value.cpu() if moment == "step" else value
        optimizer.state[trained[name]][moment] = state


def check_files(path: Path) -> None:
    """Raise `DamagedCheckpointError` where a file of a checkpoint is missing or was changed.

    Older checkpoints have no digests: of those, only what is missing is noticed here.
    """
    for name in (WEIGHTS, OPTIMIZER):
        if not (path / name).is_file():
            raise DamagedCheckpointError(f"checkpoint {path} is damaged: {name} is missing")
    if not (path / DIGESTS).is_file():
        return
    try:
        digests = dict(json.loads((path / DIGESTS).read_text(encoding="utf-8")))
    except (ValueError, TypeError, RecursionError):
        raise DamagedCheckpointError(
            f"checkpoint {path} is damaged: {DIGESTS} cannot be read"
        ) from None
    for name in (WEIGHTS, OPTIMIZER):
        if digests.get(name) != digest_of(path / name):
            raise DamagedCheckpointError(
                f"checkpoint {path} is damaged: {name} is not what was written (its digest differs)"
            )


def _way_out(damaged: Path) -> str:
    """The last good checkpoint beside a damaged one, and how to go on from it."""
    beside = found_checkpoints(damaged.parent)
    bad = [damaged]
    for number in sorted(beside, reverse=True):
        path = beside[number]
        if path == damaged or number > int(damaged.name.removeprefix("update_")):
            continue
        try:
            check_files(path)
        except DamagedCheckpointError:
            bad.append(path)
            continue
        doomed = " and ".join(map(str, bad))
        return f"the last good one is {path}: delete {doomed} to go on from it"
    return "no good one stands beside it; start a new run"


def _tensors(file: Path, device: str) -> dict[str, Tensor]:
    try:
        return load_file(file, device=device)
    except (SafetensorError, ValueError, KeyError) as error:
        raise DamagedCheckpointError(
            f"checkpoint {file.parent} is damaged: {file.name} cannot be read ({error})"
        ) from None


def _check_alike(file: Path, name: str, found: Tensor, wanted: Tensor) -> None:
    """`copy_` would convert and broadcast; what was written is of the very type and shape."""
    damaged = f"checkpoint {file.parent} is damaged: {file.name} has {name}"
    if found.dtype != wanted.dtype or found.shape != wanted.shape:
        raise DamagedCheckpointError(
            f"{damaged} as {found.dtype} of shape {tuple(found.shape)}, and the model as "
            f"{wanted.dtype} of shape {tuple(wanted.shape)}"
        )
    if not bool(torch.isfinite(found).all()):
        raise DamagedCheckpointError(f"{damaged} with NaN or infinity")


def _check_moments(
    path: Path, moments: Mapping[str, Tensor], trained: Mapping[str, nn.Parameter]
) -> None:
    """Every weight has AdamW's state, and nothing else has; before the first step none has."""
    if not moments and path.name == f"update_{0:05d}":
        return
    wanted = {f"{name}/{moment}" for name in trained for moment in _MOMENTS}
    if moments.keys() != wanted:
        missing = sorted(wanted - moments.keys()) or sorted(moments.keys() - wanted)
        raise DamagedCheckpointError(
            f"checkpoint {path} is damaged: {OPTIMIZER} has {len(moments)} of the optimizer's "
            f"{len(wanted)} tensors ({missing[0]} is amiss)"
        )
    for key, value in moments.items():
        name, _, moment = key.rpartition("/")
        parameter = trained[name]
        like = torch.zeros((), dtype=torch.float32) if moment == "step" else parameter
        _check_alike(path / OPTIMIZER, key, value, like)


def digest(model: nn.Module) -> str:
    """A name of a model's weights, LoRA's adapters apart: other weights have another.

    Evenly spaced values of each tensor stand for all, in bfloat16: whatever the precision that
    the weights are held in, the name is the same.
    """
    found = hashlib.blake2b(digest_size=16)
    for name, parameter in model.named_parameters():
        if "lora_" in name:
            continue
        values = parameter.detach().flatten()
        some = values[:: 1 + len(values) // _DIGESTED].to(torch.bfloat16)
        found.update(f"{name} {tuple(parameter.shape)}".encode())
        found.update(some.view(torch.int16).cpu().numpy().tobytes())
    return found.hexdigest()


def _trained(model: nn.Module) -> dict[str, nn.Parameter]:
    """Parameters that are trained, by name; tied ones once."""
    return {name: p for name, p in model.named_parameters() if p.requires_grad}
