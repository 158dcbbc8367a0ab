"""The package itself: what is public, and that it works where it is not installed."""

from importlib import metadata

import proxmo


def test_public_names_are_there():
    assert all(getattr(proxmo, name) is not None for name in proxmo.__all__)


def test_a_source_tree_that_is_not_installed_has_a_version(monkeypatch):
    def missing(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", missing)
    monkeypatch.delitem(vars(proxmo), "__version__", raising=False)
    assert proxmo.__version__ == "unknown"
    monkeypatch.delitem(vars(proxmo), "__version__")
