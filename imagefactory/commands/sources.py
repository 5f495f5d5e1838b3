"""`imagefactory sources`: what is followed in the Marketplace, and SecOps' decision about a withdrawn release."""

from typing import Annotated

import typer

from imagefactory import options, screen
from imagefactory.connection import Json
from imagefactory.failures import Misused
from imagefactory.screen import Format

commands = typer.Typer(
    help="Sources in the Marketplace. Alone it lists what is followed, what was withdrawn, and whose turn it is."
)

_COLUMNS = ("source", "newest", "withdrawn", "what is to be done", "last look", "images")


@commands.callback(invoke_without_command=True)
def show(
    context: typer.Context,
    url: options.Url = "",
    ca_file: options.CaFile = "",
    output: options.Output = Format.TABLE,
) -> None:
    """List what is followed: newest release, what was withdrawn since when, last look, images."""
    if context.invoked_subcommand is not None:
        return
    found = options.client_of(url, ca_file).list_sources()
    if output is Format.JSON:
        screen.write_json(found)
        return
    rows = [
        (
            each["key"],
            each["newest"] or "none",
            ", ".join(_withdrawn(one) for one in each["withdrawn"]),
            _next_step(each),
            _minute(each["looked_at"]),
            ", ".join(each["images"]),
        )
        for each in found
    ]
    screen.table(f"{len(rows)} {'source' if len(rows) == 1 else 'sources'}", _COLUMNS, rows, whole=2)


@commands.command("accept")
def accept(
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="The source, as `sources` prints it.")],
    release: Annotated[
        str, typer.Option("--release", metavar="VERSION", help="The newest release that is offered.")
    ] = "",
    reason: Annotated[str, typer.Option("--reason", help="Why; the journal of each image keeps it.")] = "",
    url: options.Url = "",
    ca_file: options.CaFile = "",
    output: options.Output = Format.TABLE,
) -> None:
    """Let images that were built from a withdrawn release step down with their next build. SecOps only."""
    if not release:
        raise Misused("--release is missing: `imagefactory sources` shows the newest release that is offered")
    options.demand_reason(reason, "say why; the journal of each image keeps it")
    accepted = options.client_of(url, ca_file).accept_release(source, release, reason)
    if output is Format.JSON:
        screen.write_json(accepted)
        return
    screen.say(f"{accepted['key']}: the next builds of its images take {release}")
    if accepted["images"]:
        screen.note(f"images: {', '.join(accepted['images'])}")


def _withdrawn(release: Json) -> str:
    return f"{release['version']} {release['message']} since {_minute(release['since'])}"


def _minute(at: str | None) -> str:
    """A time of the API to the minute; an empty text where there is none."""
    return f"{at[:16].replace('T', ' ')} UTC" if at else ""


def _next_step(source: Json) -> str:
    """Whose turn it is, in a few words."""
    if not source["images"]:
        return "not polled: no image is built from it"
    if source["silence"]:
        return f"SecOps checks: {source['silence']['why']} since {_minute(source['silence']['since'])}"
    if source["withdrawn"] and not source["newest"]:
        return "SecOps follows another source, or waits: nothing is offered"
    if source["accepted"]:
        accepted = source["accepted"]
        who = screen.who(accepted["actor"], accepted.get("identity"))
        return f"nothing: {who} accepted {accepted['version']}"
    if source["withdrawn"]:
        return f"SecOps may accept {source['newest']}"
    if source["ends_at"]:
        return f"{source['newest']} ends on {source['ends_at'][:10]}: SecOps follows another source"
    return "nothing"
