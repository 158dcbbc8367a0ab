"""What `proxmo doctor` says; the frameworks themselves need not be installed."""

import pytest

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
