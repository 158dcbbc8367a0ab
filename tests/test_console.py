"""What is printed is text: nothing from outside acts on a terminal."""

import io

from rich.table import Table
from rich.text import Text

from proxmo.commands.console import LiteralConsole, make_console


def printed(thing, **options):
    stream = io.StringIO()
    LiteralConsole(file=stream, markup=False, width=100, **options).print(thing)
    return stream.getvalue()


def test_square_brackets_are_square_brackets(capsys):
    make_console().print("model: runs/[bold]x[/] [/home/you]")
    assert capsys.readouterr().out == "model: runs/[bold]x[/] [/home/you]\n"


def test_escape_sequences_never_reach_a_terminal():
    for thing in ("a\x1b[2Jb\x07", Text("a\x1b[2Jb\x07")):
        assert "\x1b" not in printed(thing)
        assert "\x1b[2J" not in printed(thing, force_terminal=True)


def test_nor_do_they_from_a_cell_or_a_title():
    table = Table("[/kind]\x1b]0;title", title="[/] runs/[x]")
    table.add_row("pick\u202e[/nothing]")
    out = printed(table)
    assert "[/kind]\ufffd]0;title" in out
    assert "[/] runs/[x]" in out
    assert "pick\\u202e[/nothing]" in out


def test_styles_stay():
    assert printed(Text("done", style="bold"), force_terminal=True) == "\x1b[1mdone\x1b[0m\n"
