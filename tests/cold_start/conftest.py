"""What the tests of the cold start share: an environment and a few of its tasks."""

import pytest

from proxmo.envs import registry


@pytest.fixture(scope="module")
def alfworld():
    """ALFWorld on generated games, also where official ones are set or its engine is imported."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("ALFWORLD_DATA", raising=False)
        yield registry.get("alfworld")


@pytest.fixture(scope="module")
def tasks(alfworld):
    found = alfworld.load_tasks("train", None, seed=0, count=6)
    return [found[number] for number in range(6)]
