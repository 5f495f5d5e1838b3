"""`imagefactory state`: derive lost records again from galleries and blobs (SecOps)."""

from dataclasses import asdict
from typing import Annotated

import typer

from imagefactory import options, recovering, screen
from imagefactory.failures import CommandRefused
from imagefactory.screen import Format

_RENAMED = "`state rebuild` is now `state recover`; both do the same"

commands = typer.Typer(help="The factory's records (SecOps).", no_args_is_help=True)

_Force = Annotated[bool, typer.Option("--force", help="Run even if there are records: add the missing ones.")]


@commands.callback()
def group() -> None:
    """The factory's records (SecOps)."""


@commands.command("recover")
def recover(
    url: options.Url = "",
    ca_file: options.CaFile = "",
    force: _Force = False,
    output: options.Output = Format.TABLE,
) -> None:
    """Derive lost records again. It overwrites nothing. You may interrupt it and run it again."""
    done = recovering.recover(options.client_of(url, ca_file), screen.note, force=force)
    if output is Format.JSON:
        screen.write_json(asdict(done))
    else:
        screen.say(
            f"{len(done.restored)} recovered, {len(done.kept)} were there, {len(done.deleted)} stay deleted"
        )
        rows = [(problem["image"], problem["message"]) for problem in done.problems]
        if rows:
            screen.table(f"{len(rows)} problems", ("image", "why"), rows)
    if done.problems:
        raise CommandRefused(
            "not everything could be recovered: repair the problems, then run this again with --force"
        )


@commands.command("unreadable")
def unreadable(
    url: options.Url = "", ca_file: options.CaFile = "", output: options.Output = Format.TABLE
) -> None:
    """List the rows that the running release cannot read: of a newer release, or changed by hand."""
    found = list(options.client_of(url, ca_file).list_unreadable())
    if output is Format.JSON:
        screen.write_json(found)
        return
    rows = [
        (each["table"], each["partition"], each["key"], each["row_schema"], each["first_seen"], each["why"])
        for each in found
    ]
    columns = ("table", "partition", "key", "schema", "first seen", "why")
    screen.table(f"{len(rows)} rows that cannot be read", columns, rows)


@commands.command("rebuild", hidden=True)
def rebuild(
    url: options.Url = "",
    ca_file: options.CaFile = "",
    force: _Force = False,
    output: options.Output = Format.TABLE,
) -> None:
    """Do the same as `state recover`, whose name this was before."""
    screen.note(_RENAMED)
    recover(url=url, ca_file=ca_file, force=force, output=output)
