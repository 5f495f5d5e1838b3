"""`imagefactory versions` and `imagefactory galleries`: live versions, those taken out, and galleries that differ."""

from typing import Annotated

import typer

from imagefactory import options, screen
from imagefactory.screen import Format

commands = typer.Typer(help="Published versions.", no_args_is_help=True)
galleries = typer.Typer(
    help="Live galleries. Alone it lists the images whose gallery differs from what the factory believes."
)

_COLUMNS = ("image", "version", "what differs", "since", "moved")
_WORDS = {
    "gone": "the gallery no longer holds it",
    "excluded": "somebody took it out of latest",
    "unproven": "no signed statement proves it",
}


@commands.command("list")
def list_versions(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The image; a deleted one too.")],
    url: options.Url = "",
    ca_file: options.CaFile = "",
    output: options.Output = Format.TABLE,
) -> None:
    """List the live versions of an image, newest first. A deleted image keeps its versions."""
    found = options.client_of(url, ca_file).list_versions(options.image_of(name))
    if output is Format.JSON:
        screen.write_json(found)
        return
    rows = [
        (
            each["version"],
            "yes" if each["in_latest"] else "",
            "current" if each["version"] == found["current"] else each["standing"],
            each["state"],
            each["gallery"],
            each["reason"],
        )
        for each in found["versions"]
    ]
    columns = ("version", "in latest", "standing", "state", "gallery", "why")
    screen.table(f"{name}: {len(rows)} live versions", columns, rows)
    if found["is_deleted"]:
        whose = "SecOps alone, since no record shows its team" if found["team"] is None else found["team"]
        screen.note(f"{name} was deleted; while it has live versions, its name is reserved for {whose}")


@commands.command("include")
def include(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The image.")],
    version: Annotated[str, typer.Argument(metavar="VERSION", help="The version that was taken out.")],
    reason: Annotated[str, typer.Option("--reason", help="Why; the image's journal keeps it.")] = "",
    url: options.Url = "",
    ca_file: options.CaFile = "",
    output: options.Output = Format.TABLE,
) -> None:
    """Let a version that somebody took out of latest be used again. Its team and SecOps."""
    included = options.client_of(url, ca_file).include_version(name, version, reason)
    if output is Format.JSON:
        screen.write_json(included)
        return
    screen.say(f"{included['image']}@{included['version']} may be used again")
    screen.note("it is current again where the image is still to be built from the same inputs")


@galleries.callback(invoke_without_command=True)
def show(
    context: typer.Context,
    url: options.Url = "",
    ca_file: options.CaFile = "",
    output: options.Output = Format.TABLE,
) -> None:
    """List the images whose gallery differs, and say whether these are too many to move anything."""
    if context.invoked_subcommand is not None:
        return
    found = options.client_of(url, ca_file).show_galleries()
    if output is Format.JSON:
        screen.write_json(found)
        return
    rows = [
        (
            each["image"],
            each["version"],
            _WORDS.get(each["kind"], each["kind"]),
            f"{each['since'][:16].replace('T', ' ')} UTC",
            "yes" if each["is_moved"] else "",
        )
        for each in found["suspects"]
    ]
    differs = "image differs" if len(rows) == 1 else "images differ"
    screen.table(f"{len(rows)} {differs}, or was moved within the hour", _COLUMNS, rows)
    if found.get("accepted_until"):
        until = f"{found['accepted_until'][:16].replace('T', ' ')} UTC"
        who = screen.who(found["accepted_by"], found.get("accepted_identity"))
        screen.note(f"believed until {until}, however many differ: accepted by {who}")
    if found["alarmed_at"]:
        screen.note(
            "too many at once: nothing is moved. Look at the galleries and the signing key;"
            " if it is true, run `imagefactory galleries accept --reason TEXT`"
        )


@galleries.command("accept")
def accept(
    reason: Annotated[
        str, typer.Option("--reason", help="Why it is true; the journal of each image that differs keeps it.")
    ] = "",
    url: options.Url = "",
    ca_file: options.CaFile = "",
    output: options.Output = Format.TABLE,
) -> None:
    """For an hour, believe what the galleries show, however many images differ. SecOps only."""
    options.demand_reason(reason, "say why it is true; the journal of each image that differs keeps it")
    accepted = options.client_of(url, ca_file).accept_galleries(reason)
    if output is Format.JSON:
        screen.write_json(accepted)
        return
    until = f"{accepted['accepted_until'][:16].replace('T', ' ')} UTC"
    screen.say(f"{len(accepted['suspects'])} images: what their galleries show is believed until {until}")
