"""`imagefactory names`: the names of deleted images, which are reserved while live versions of them exist."""

from typing import Annotated

import typer

from imagefactory import options, screen
from imagefactory.screen import Format

commands = typer.Typer(help="Reserved names of deleted images.", no_args_is_help=True)

_COLUMNS = ("name", "reserved for", "deleted", "no live version since")


@commands.command("list")
def list_names(
    url: options.Url = "", ca_file: options.CaFile = "", output: options.Output = Format.TABLE
) -> None:
    """List the names of deleted images whose versions are live, and for whom each is reserved."""
    found = list(options.client_of(url, ca_file).list_names())
    if output is Format.JSON:
        screen.write_json(found)
        return
    rows = [
        (each["name"], _owner(each), _moment(each["deleted_at"]), _moment(each["unseen_since"]))
        for each in found
    ]
    screen.table(f"{len(rows)} reserved names", _COLUMNS, rows)


@commands.command("handover")
def hand_over(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The name of a deleted image.")],
    to: Annotated[str, typer.Option("--to", metavar="TEAM", help="The team that may use it from now on.")],
    reason: Annotated[str, typer.Option("--reason", help="Why; the image's journal keeps it.")] = "",
    url: options.Url = "",
    ca_file: options.CaFile = "",
    output: options.Output = Format.TABLE,
) -> None:
    """Reserve the name of a deleted image for another team. SecOps only."""
    options.demand_reason(reason, "say why the name is handed over; the image's journal keeps it")
    client = options.client_of(url, ca_file)
    reserved = client.hand_over_name(options.image_of(name), options.team_of(to), reason)
    if output is Format.JSON:
        screen.write_json(reserved)
        return
    screen.say(f"the name {reserved['name']} is reserved for team {reserved['team']}")
    screen.note("its live versions stay; what the team publishes under the name comes above them")


def _owner(each: dict[str, object]) -> str:
    if each["team"] is None:
        return "SecOps alone: no record shows its team"
    return f"SecOps (a base of {each['team']})" if each["is_base"] else f"{each['team']} and SecOps"


def _moment(text: object) -> str:
    return f"{str(text)[:16].replace('T', ' ')} UTC" if text else ""
