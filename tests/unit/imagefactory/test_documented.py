"""Each command is in the table of commands."""

from pathlib import Path

import typer
import typer.core

from imagefactory.main import app

TABLE = (Path(__file__).parents[3] / "docs" / "authoring.md").read_text("utf-8")


def test_every_command_is_in_the_table_of_commands() -> None:
    group = typer.main.get_command(app)
    assert isinstance(group, typer.core.TyperGroup)
    commands = list(group.commands)
    assert "register" in commands
    rows = [line for line in TABLE.splitlines() if line.startswith("| `imagefactory ")]
    missing = [name for name in commands if not any(f"`imagefactory {name}" in row for row in rows)]
    assert missing == []
