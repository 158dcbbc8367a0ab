"""What `proxmo doctor` says, and which versions of a framework are taken."""

import re
import tomllib
from pathlib import Path

import pytest

import proxmo
from proxmo import cli
from proxmo.adapters import versions
from proxmo.commands import doctor
from proxmo.errors import InputError


def installed(monkeypatch, **packages):
    def version(package):
        if packages.get(package) is None:
            raise doctor.metadata.PackageNotFoundError(package)
        return packages[package]

    monkeypatch.setattr(doctor.metadata, "version", version)


def test_a_framework_that_is_not_installed_is_named_with_its_extra(monkeypatch, capsys):
    installed(monkeypatch, proxmo="1.0")
    assert cli.main(["doctor", "skyrl"]) == 1
    told = capsys.readouterr()
    assert "not installed; pip install 'proxmo[skyrl]'" in told.out
    assert "the skyrl adapter is not ready: skyrl" in told.err


def test_a_tree_that_is_not_installed_is_examined_too(monkeypatch, capsys):
    installed(monkeypatch)
    monkeypatch.delattr(proxmo, "__version__", raising=False)
    assert cli.main(["doctor", "verl"]) == 1
    told = capsys.readouterr()
    assert "proxmo " in told.out
    assert "not installed; pip install 'proxmo[verl]'" in told.out


def test_an_unknown_version_is_bad_unless_the_user_wants_it(monkeypatch):
    installed(monkeypatch, verl="0.10.0")
    monkeypatch.delenv(versions.OVERRIDE, raising=False)
    finding = doctor.examine(doctor.Framework("verl", ()))[0]
    assert (finding.good, finding.detail) == (False, "0.10.0; tested: 0.9.1")
    monkeypatch.setenv(versions.OVERRIDE, "skyrl, verl")
    assert doctor.examine(doctor.Framework("verl", ()))[0].good


def test_what_a_module_raises_is_shown(monkeypatch, tmp_path):
    (tmp_path / "broken_adapter.py").write_text("raise OSError('no such library: libcuda')\n")
    monkeypatch.syspath_prepend(tmp_path)
    installed(monkeypatch, verl="0.9.1")
    findings = doctor.examine(doctor.Framework("verl", ("broken_adapter", "json")))
    assert [finding.good for finding in findings] == [True, False, True]
    assert findings[1].detail == "OSError: no such library: libcuda"


def test_a_plugin_policy_that_leaves_proxmo_out_is_shown(monkeypatch):
    monkeypatch.setenv("VERL_USE_EXTERNAL_PLUGINS", "none")
    monkeypatch.setattr(doctor, "_REGISTRIES", ())
    entry, policy = doctor.plugin_findings()
    assert entry.good
    assert entry.detail == "proxmo.adapters.verl.plugin"
    assert not policy.good
    monkeypatch.setenv("VERL_USE_EXTERNAL_PLUGINS", "other, proxmo")
    assert doctor.plugin_findings()[1].good


def test_an_untested_version_is_refused_with_both_ways_out(monkeypatch):
    installed(monkeypatch, verl="0.10.0")
    monkeypatch.delenv(versions.OVERRIDE, raising=False)
    with pytest.raises(InputError, match=r"verl is 0\.10\.0.*0\.9\.1.*PROXMO_ALLOW_UNTESTED=verl"):
        versions.check_version("verl")
    monkeypatch.setenv(versions.OVERRIDE, "verl")
    assert versions.check_version("verl") == "0.10.0"


def test_a_build_label_does_not_make_a_version_unknown(monkeypatch):
    installed(monkeypatch, verl="0.9.1+cu130")
    assert versions.check_version("verl") == "0.9.1+cu130"


@pytest.mark.parametrize("framework", ["trl", "openenv"])
def test_the_doctor_finds_all_well_where_the_framework_is(framework, capsys):
    pytest.importorskip(framework)
    assert cli.main(["doctor", framework]) == 0
    assert "BAD" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("version", "taken"),
    [
        ("0.9.1", True),
        ("0.9.12", True),
        ("0.9.1.post1", True),
        ("0.9.0", False),  # older than what was tested
        ("0.9", False),
        ("0.10.1", False),
        ("1.9.1", False),
        ("0.9.1rc1", False),
        ("0.9.2.dev0", True),
    ],
)
def test_what_is_taken_begins_with_what_was_tested_and_ends_with_its_series(version, taken):
    assert versions.is_tested("verl", version) is taken


@pytest.mark.parametrize("package", versions.TESTED)
def test_the_extras_take_the_versions_that_the_adapters_take(package):
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    extra = project["optional-dependencies"][package]
    [ends] = [m for line in extra if (m := re.match(rf"{package}>=([\d.]+),<([\d.]+)", line))]
    tested = versions.TESTED[package]
    assert [int(n) for n in f"{ends[1]}.0".split(".")][:3] == [int(n) for n in tested.split(".")]
    major, minor, _ = tested.split(".")
    assert ends[2] == f"{major}.{int(minor) + 1}"
