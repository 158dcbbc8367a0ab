"""What the tests of training share: a tiny model, and one run that nothing disturbed."""

import pytest
import torch
from toy import evaluate_toy, save_tiny_model, toy_config

from proxmo.training.loop import train


@pytest.fixture(scope="session", autouse=True)
def _one_thread():
    """Sums in another order round differently; comparisons here are bit for bit."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def model(tmp_path_factory):
    """Folder of a tiny model that says colours."""
    folder = tmp_path_factory.mktemp("toy") / "model"
    save_tiny_model(folder)
    return folder


@pytest.fixture(scope="session")
def undisturbed(model):
    """Folder of a run of four updates from start to end."""
    folder = model.parent / "undisturbed"
    train(toy_config(model, folder), evaluate=evaluate_toy)
    return folder
