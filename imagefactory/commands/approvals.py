"""`imagefactory approve`, `approvals` and `bases`: which team may build on which image of another team."""

from typing import Annotated

import typer

from imagefactory import options, screen
from imagefactory.connection import Json
from imagefactory.failures import Misused
from imagefactory.screen import Format

commands = typer.Typer(help="Approvals: which team may build on whose image.", no_args_is_help=True)

_COLUMNS = ("team", "parent", "of", "state", "until", "by", "on", "reason")
_STATES = {
    "none": "not approved",
    "withheld": "withheld by its owner",
    "owner-changed": "parent has another owner now",
}
_Parent = Annotated[str, typer.Argument(metavar="PARENT", help="The image that others build on.")]
_Team = Annotated[str, typer.Option("--for", metavar="TEAM", help="The team that builds on it.")]
_Reason = Annotated[str, typer.Option("--reason", help="Why; the record of the approval keeps it.")]


def approve(
    parent: _Parent,
    team: _Team = "",
    until: Annotated[str, typer.Option("--until", metavar="DAY", help="The last day; else no end.")] = "",
    reason: _Reason = "",
    url: options.Url = "",
    ca_file: options.CaFile = "",
    output: options.Output = Format.TABLE,
) -> None:
    """Let a team build on an image of another team. SecOps only."""
    _demand(team, reason)
    last = None if not until else options.day_of(until)
    made = options.client_of(url, ca_file).put_approval(options.image_of(parent), team, last, reason)
    if output is Format.JSON:
        screen.write_json(made)
        return
    screen.say(f"team {made['team']} may build on {made['parent']}" + (f" until {last}" if last else ""))


def bases(
    team: Annotated[str, typer.Option("--team", help="The team that wants to build.")] = "",
    url: options.Url = "",
    ca_file: options.CaFile = "",
    output: options.Output = Format.TABLE,
) -> None:
    """List what a team may build on: SecOps' images, its own, and those that it is approved for."""
    if not team:
        raise Misused("--team is missing: name the team that wants to build")
    options.team_of(team)
    found = list(options.client_of(url, ca_file).list_bases(team))
    if output is Format.JSON:
        screen.write_json(found)
        return
    rows = [
        (
            each["name"],
            each["team"],
            each["parent"] or "Marketplace",
            each["version"] or "none yet",
            f"until {each['until']}" if each["until"] else "approved" if each["is_approved"] else "",
        )
        for each in found
    ]
    screen.table(
        f"{len(rows)} images that team {team} may build on",
        ("image", "team", "built from", "version", "approval"),
        rows,
    )


@commands.command("list")
def list_approvals(
    parent: Annotated[str, typer.Option("--parent", help="Only of this image.")] = "",
    team: Annotated[str, typer.Option("--team", help="Only for this team.")] = "",
    ending: Annotated[bool, typer.Option("--ending", help="Only those that end within 14 days.")] = False,
    url: options.Url = "",
    ca_file: options.CaFile = "",
    output: options.Output = Format.TABLE,
) -> None:
    """List approvals with who granted them, when, and until when."""
    chosen = {"parent": parent, "team": team, "ending": "true" if ending else ""}
    query = "".join(f"&{key}={options.quoted(value)}" for key, value in chosen.items() if value)
    found = list(options.client_of(url, ca_file).list_approvals(query))
    if output is Format.JSON:
        screen.write_json(found)
        return
    screen.table(f"{len(found)} {'approval' if len(found) == 1 else 'approvals'}", _COLUMNS, map(_row, found))


@commands.command("withdraw")
def withdraw(
    parent: _Parent,
    team: _Team = "",
    reason: _Reason = "",
    url: options.Url = "",
    ca_file: options.CaFile = "",
    output: options.Output = Format.TABLE,
) -> None:
    """End an approval (SecOps), or no longer offer your image to a team (its owner). What exists goes on."""
    _demand(team, reason)
    made = options.client_of(url, ca_file).ask_approval(options.image_of(parent), team, "withdraw", reason)
    if output is Format.JSON:
        screen.write_json(made)
        return
    screen.say(f"team {made['team']} may register no more images on {made['parent']}")
    screen.note("images that are built on it are rebuilt as before, and their conditions say what to do")


@commands.command("offer")
def offer(
    parent: _Parent,
    team: _Team = "",
    reason: _Reason = "",
    url: options.Url = "",
    ca_file: options.CaFile = "",
    output: options.Output = Format.TABLE,
) -> None:
    """Offer your image to a team again, after you had withdrawn it. SecOps' approval is needed as well."""
    _demand(team, reason)
    made = options.client_of(url, ca_file).ask_approval(options.image_of(parent), team, "offer", reason)
    if output is Format.JSON:
        screen.write_json(made)
        return
    screen.say(f"{made['parent']} is offered to team {made['team']}: {_state(made)}")


def _demand(team: str, reason: str) -> None:
    if not team:
        raise Misused("--for is missing: name the team that builds on the image")
    options.team_of(team)
    options.demand_reason(reason, "say why; the record of the approval keeps it")


def _row(approval: Json) -> tuple[str, ...]:
    made = approval["withheld"] or approval["withdrawn"] or approval["granted"] or {}
    until = approval["until"] or ""
    return (
        approval["team"],
        approval["parent"],
        approval["owner"],
        _state(approval),
        f"{until} (soon)" if approval["ends_soon"] else until,
        made.get("name", ""),
        made.get("at", "")[:10],
        made.get("reason", ""),
    )


def _state(approval: Json) -> str:
    return _STATES.get(approval["state"]) or str(approval["state"])
