"""What `proxmo sft` says."""

from proxmo.cold_start import make
from proxmo.cold_start.demonstrations import Demonstrations
from proxmo.commands import sft

SHOWN = Demonstrations([[]], played=2, errors=0, first_error=None, failed_types={"pick": 1})


def test_a_path_is_printed_as_it_is_and_quoted_where_it_is_to_be_copied(
    tmp_path, monkeypatch, capsys
):
    class Made:
        def save(self, path):
            (path / "config.json").write_text("{}")

    monkeypatch.delenv("ALFWORLD_DATA", raising=False)
    monkeypatch.setenv("PROXMO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(make, "make_policy", lambda *_, **__: (Made(), SHOWN))
    folder = tmp_path / "[bold]my [red]policy"
    data = tmp_path / "my games"
    data.mkdir()
    sft.main(["--data", str(data), "--out", str(folder)])
    said = capsys.readouterr().out
    assert f"built-in policy in {folder}; 1 of 2 demonstrations succeeded" in said
    assert f"proxmo evaluate --data '{data}' --model '{folder}', or" in said
