"""A checkpoint is what was written, or it is refused by name and the last good one is named."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from proxmo.errors import InputError
from proxmo.training.checkpoint import (
    DIGESTS,
    OPTIMIZER,
    WEIGHTS,
    found_checkpoints,
    load_checkpoint,
    save_checkpoint,
)


def made(seed):
    """A small model and its optimizer, after a step."""
    torch.manual_seed(seed)
    model = nn.Linear(3, 2)
    optimizer = torch.optim.AdamW(model.parameters())
    model(torch.ones(3)).sum().backward()
    optimizer.step()
    return model, optimizer


@pytest.fixture
def folder(tmp_path):
    for update in (1, 2, 3):
        save_checkpoint(tmp_path, update, *made(update), keep=3)
    return tmp_path


def load(path):
    model, optimizer = made(0)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    try:
        load_checkpoint(path, model, optimizer)
    except InputError:
        assert all(bool((before[k] == v).all()) for k, v in model.state_dict().items())
        raise
    return model, optimizer


def rewrite(path, change):
    """Change the tensors of a file as who does not care for digests would."""
    tensors = load_file(path)
    save_file(change(tensors), path)
    (path.parent / DIGESTS).unlink()


def test_a_checkpoint_is_loaded_as_it_was_saved(folder):
    wanted, optimizer = made(3)
    model, found = load(folder / "update_00003")
    assert all(bool((v == model.state_dict()[k]).all()) for k, v in wanted.state_dict().items())
    for ours, theirs in zip(model.parameters(), wanted.parameters(), strict=True):
        for moment, value in optimizer.state[theirs].items():
            assert bool((found.state[ours][moment] == value).all())


@pytest.mark.parametrize("name", [WEIGHTS, OPTIMIZER])
def test_a_flipped_byte_is_refused_and_the_last_good_one_named(folder, name):
    newest = folder / "update_00003"
    content = bytearray((newest / name).read_bytes())
    content[-3] ^= 1
    (newest / name).write_bytes(content)
    with pytest.raises(InputError) as error:
        load(newest)
    assert str(error.value) == (
        f"checkpoint {newest} is damaged: {name} is not what was written (its digest differs); "
        f"the last good one is {folder / 'update_00002'}: delete {newest} to go on from it"
    )


def test_of_two_damaged_ones_both_are_named(folder):
    for update in (2, 3):
        (folder / f"update_0000{update}" / WEIGHTS).write_bytes(b"")
    with pytest.raises(InputError, match=r"update_00001: delete \S+3 and \S+2 to go on from it"):
        load(folder / "update_00003")


def test_without_a_good_one_the_way_out_is_a_new_run(folder):
    for path in found_checkpoints(folder).values():
        (path / OPTIMIZER).unlink()
    with pytest.raises(InputError, match=r"optimizer\.safetensors is missing; no good one"):
        load(folder / "update_00003")


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        (WEIGHTS, lambda t: {k: v.half() for k, v in t.items()}, "as torch.float16 of shape"),
        # `copy_` would broadcast it.
        (WEIGHTS, lambda t: t | {"weight": t["weight"][:1]}, r"shape \(1, 3\), and the model as"),
        (WEIGHTS, lambda t: t | {"bias": t["bias"] * torch.nan}, "bias with NaN or infinity"),
        (OPTIMIZER, lambda t: {}, "has 0 of the optimizer's 6 tensors"),
        (OPTIMIZER, lambda t: t | {"bias/exp_avg": t["bias/exp_avg"][:1]}, "bias/exp_avg as"),
        (
            OPTIMIZER,
            lambda t: t | {"bias/exp_avg_sq": t["bias/exp_avg_sq"] / 0},
            "bias/exp_avg_sq with NaN",
        ),
    ],
)
def test_what_is_whole_but_wrong_is_refused_by_name(folder, name, change, message):
    newest = folder / "update_00003"
    rewrite(newest / name, change)
    with pytest.raises(InputError, match=rf"{name} has .*|{message}") as error:
        load(newest)
    assert "the last good one is" in str(error.value)


@pytest.mark.parametrize("digests", [True, False])
@pytest.mark.parametrize("name", [WEIGHTS, OPTIMIZER])
def test_a_truncated_file_is_a_sentence(folder, name, digests):
    newest = folder / "update_00003"
    (newest / name).write_bytes((newest / name).read_bytes()[:40])
    if not digests:  # as proxmo before 0.6 wrote them
        (newest / DIGESTS).unlink()
    with pytest.raises(InputError, match=f"update_00003 is damaged: {name} "):
        load(newest)


@pytest.mark.parametrize("content", [b"\xff", b"[1]", b"{", b"[" * 100_000])
def test_damaged_digests_are_a_sentence(folder, content):
    (folder / "update_00003" / DIGESTS).write_bytes(content)
    with pytest.raises(InputError, match="update_00003 is damaged"):
        load(folder / "update_00003")


def test_before_the_first_step_the_optimizer_has_no_state(tmp_path):
    model = nn.Linear(3, 2)
    path = save_checkpoint(tmp_path, 0, model, torch.optim.AdamW(model.parameters()), keep=1)
    _, optimizer = load(path)
    assert not optimizer.state


def test_a_checkpoint_that_a_kill_left_half_removed_is_not_taken_for_one(folder, monkeypatch):
    def killed(path):
        raise KeyboardInterrupt  # in the middle: the rename is made, the rest is not

    monkeypatch.setattr("proxmo.files.shutil.rmtree", killed)
    with pytest.raises(KeyboardInterrupt):
        save_checkpoint(folder, 4, *made(4), keep=1)
    assert set(found_checkpoints(folder)) == {2, 3, 4}
    for path in found_checkpoints(folder).values():
        assert set(json.loads((path / DIGESTS).read_text())) == {WEIGHTS, OPTIMIZER}
        assert (path / WEIGHTS).is_file()
