"""The state of training on disk: trained weights and optimizer, in safetensors."""

from __future__ import annotations

import hashlib
import re
import shutil
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import nn

from proxmo.errors import InputError
from proxmo.files import whole

WEIGHTS, OPTIMIZER = "weights.safetensors", "optimizer.safetensors"
_NAME = re.compile(r"update_(\d{5,})$")
_DIGESTED = 4096
"""Values of a tensor that its digest is made from, about."""


def save_checkpoint(
    folder: Path, update: int, model: nn.Module, optimizer: torch.optim.Optimizer, keep: int
) -> Path:
    """Write the state after `update` updates, then delete all but the newest `keep`.

    Only weights that are trained are written: under LoRA, the adapters.
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
    for number in sorted(found_checkpoints(folder))[:-keep]:
        shutil.rmtree(folder / f"update_{number:05d}")
    return target


def found_checkpoints(folder: Path) -> dict[int, Path]:
    """The checkpoints in `folder`, by the number of updates made before."""
    return {
        int(match[1]): path for path in folder.glob("update_*") if (match := _NAME.match(path.name))
    }


def load_checkpoint(path: Path, model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    """Put the state in `path` into the model and its optimizer, exactly as it was."""
    trained = _trained(model)
    device = str(next(iter(trained.values())).device)
    weights = load_file(path / WEIGHTS, device=device)
    if weights.keys() != trained.keys():
        raise InputError(
            f"checkpoint {path} is of another model ({len(weights)} weight tensors, the model "
            f"trains {len(trained)}); continue with the settings that the run began with"
        )
    with torch.no_grad():
        for name, parameter in trained.items():
            parameter.copy_(weights[name])
            optimizer.state.pop(parameter, None)
    for key, value in load_file(path / OPTIMIZER, device=device).items():
        name, _, moment = key.rpartition("/")
        # PyTorch keeps AdamW's counter on the CPU whatever the device of the weights.
        state = value.cpu() if moment == "step" else value
        optimizer.state[trained[name]][moment] = state


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
