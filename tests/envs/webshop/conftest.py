"""Catalogs that tests share: a small one of our own, and the official one where it is at hand."""

from __future__ import annotations

from pathlib import Path

import pytest
from shop import Files, goal_of

from proxmo.envs.webshop import Catalog, WebShopEnv

SHARED = Path(__file__).resolve().parents[4] / "shared" / "webshop"


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


@pytest.fixture(scope="session")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    """The six products with their synthetic goals: 4 + 1 + 1."""
    return Files(tmp_path_factory.mktemp("shop")).load()


@pytest.fixture(scope="session")
def shared() -> Path:
    if not SHARED.is_dir():
        pytest.skip(f"the recorded WebShop data is not at {SHARED}")
    return SHARED


@pytest.fixture(scope="session")
def official(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    """The official 1,000 products, goals made from the instructions."""
    return Catalog.load(
        shared / "items_shuffle_1000.json.gz",
        shared / "items_ins_v2_1000.json.gz",
        cache=tmp_path_factory.mktemp("official"),
    )


@pytest.fixture
def env(catalog: Catalog) -> WebShopEnv:
    env = WebShopEnv(catalog)
    env.reset(options={"goal": goal_of(catalog, "B000000001", color="navy blue", size="small")})
    return env
