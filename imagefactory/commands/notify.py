"""`imagefactory notify`: receivers of notifications: look, make secrets, switch off and on, replay, try."""

from itertools import islice
from typing import Annotated

import typer

from imagefactory import options, screen
from imagefactory.connection import Json
from imagefactory.failures import CommandRefused, Misused
from imagefactory.screen import Format

commands = typer.Typer(help="Receivers of notifications.", no_args_is_help=True)
secret = typer.Typer(help="The signing secret of a receiver.", no_args_is_help=True)
commands.add_typer(secret, name="secret")

PAGE = 100  # rows of one page where --limit does not say otherwise
_COLUMNS = ("receiver", "team", "to", "wants", "state", "waiting", "given up", "last accepted", "detail")
_Id = Annotated[str, typer.Argument(metavar="RECEIVER", help="The receiver, as `notify list` prints it.")]


@commands.command("list")
def list_receivers(
    image: Annotated[str, typer.Argument(metavar="[IMAGE]", help="Only the receivers of this image.")] = "",
    url: options.Url = "",
    ca_file: options.CaFile = "",
    everything: options.All = False,
    cursor: options.Cursor = "",
    limit: options.Limit = PAGE,
    output: options.Output = Format.TABLE,
) -> None:
    """List receivers by id: state, what waits, what was given up."""
    wanted = options.image_of(image) if image else ""
    pages = options.client_of(url, ca_file).list_receivers(wanted, cursor, limit)
    taken = list(pages if everything else islice(pages, 1))
    found = [each for page in taken for each in page["receivers"]]
    following = taken[-1].get("next")  # a factory of an older release sends every receiver, and no cursor
    if output is Format.JSON:
        screen.write_json({"receivers": found, "next": following})
        return
    rows = [
        (
            each["id"],
            each["team"] or "SecOps",
            each["place"],
            _wish_of(each),
            each["state"],
            each["waiting"],
            each["given_up"],
            each["accepted_at"],
            each["detail"],
        )
        for each in found
    ]
    screen.table(f"{len(rows)} {'receiver' if len(rows) == 1 else 'receivers'}", _COLUMNS, rows, whole=1)
    if following:
        screen.note(f"more: --cursor {following}, or --all")


@commands.command("show")
def show(
    receiver: _Id,
    url: options.Url = "",
    ca_file: options.CaFile = "",
    output: options.Output = Format.TABLE,
) -> None:
    """Show one receiver with its dead letters."""
    found = options.client_of(url, ca_file).ask_receiver("GET", receiver)
    if output is Format.JSON:
        screen.write_json(found)
        return
    known = {name: found[name] for name in found if name not in ("id", "dead_letters")}
    screen.facts(found["id"], {**known, "wants": _wish_of(found)})
    rows = [(each["at"], each["image"], each["event"], each["why"]) for each in found["dead_letters"]]
    if rows:
        screen.table(f"{len(rows)} dead letters", ("at", "image", "event", "why"), rows)


@secret.command("rotate")
def rotate(receiver: _Id, url: options.Url = "", ca_file: options.CaFile = "") -> None:
    """Make a new signing secret and print it, once. The former one signs too for a day."""
    screen.say(options.client_of(url, ca_file).ask_receiver("POST", receiver, "secret")["secret"])
    screen.note(f"{receiver}: this secret is not shown again; give it to the receiver now")


@commands.command("disable")
def disable(
    receiver: _Id,
    reason: Annotated[str, typer.Option("--reason", help="Why; the journal keeps it.")] = "",
    url: options.Url = "",
    ca_file: options.CaFile = "",
) -> None:
    """Send nothing to a receiver any more; what happens is kept for it."""
    _say(options.client_of(url, ca_file).ask_receiver("POST", receiver, "disable", {"reason": reason}))


@commands.command("enable")
def enable(
    receiver: _Id,
    replay: Annotated[
        bool, typer.Option("--replay/--no-replay", help="Send what it has missed, in order.")
    ] = True,
    url: options.Url = "",
    ca_file: options.CaFile = "",
) -> None:
    """Send to a receiver again."""
    _say(options.client_of(url, ca_file).ask_receiver("POST", receiver, "enable", {"replay": replay}))


@commands.command("replay")
def replay(
    receiver: _Id,
    since: Annotated[
        str, typer.Option("--since", metavar="TIME", help="From then on, like 2026-11-29T12:00:00Z.")
    ] = "",
    url: options.Url = "",
    ca_file: options.CaFile = "",
) -> None:
    """Send again what was sent since a time; without --since from the first dead letter on."""
    _say(options.client_of(url, ca_file).ask_receiver("POST", receiver, "replay", {"since": since or None}))


@commands.command("test")
def trial(receiver: _Id, url: options.Url = "", ca_file: options.CaFile = "") -> None:
    """Send a trial now; exit code 1 where the receiver does not accept it."""
    told = options.client_of(url, ca_file).ask_receiver("POST", receiver, "test")
    if not told["accepted"]:
        raise CommandRefused(f"{receiver}: {told['detail']}", ())
    screen.say(f"{receiver}: {told['detail']}")


@commands.command("add")
def add(
    webhook: Annotated[str, typer.Argument(metavar="URL", help="Where to; https, a public address.")],
    event: Annotated[list[str] | None, typer.Option("--event", help="This event of every image.")] = None,
    alerts: Annotated[bool, typer.Option("--alerts", help="Every alarm of every image.")] = False,
    bases: Annotated[bool, typer.Option("--bases", help="Every event of base images.")] = False,
    replace: Annotated[
        bool, typer.Option("--replace", help="One that is there already wants this, and nothing else.")
    ] = False,
    url: options.Url = "",
    ca_file: options.CaFile = "",
) -> None:
    """Add a receiver for the whole fleet; with --replace change what it wants. SecOps only."""
    if not (event or alerts or bases):
        raise Misused("the receiver wants nothing: give --alerts, --bases or --event")
    body = {"webhook": webhook, "events": event or [], "alerts": alerts, "bases": bases}
    if replace:  # left out otherwise: a factory of an older release refuses keys that it does not know
        body["replace"] = True
    added = options.client_of(url, ca_file).add_receiver(body)
    _say(added)
    screen.note(f"it gets: {_wish_of(added)}")


@commands.command("remove")
def remove(receiver: _Id, url: options.Url = "", ca_file: options.CaFile = "") -> None:
    """Send a receiver of the whole fleet nothing new. SecOps only."""
    options.client_of(url, ca_file).ask_receiver("DELETE", receiver)
    screen.say(f"{receiver}: removed")


def _wish_of(receiver: Json) -> str:
    """What it gets, in words."""
    if receiver["team"]:
        return "what the definitions of its images say"
    if "wants" not in receiver:
        return "not known: the factory is of an older release"
    return receiver["wants"]["text"] if receiver["wants"] else "nothing new: it was removed"


def _say(receiver: Json) -> None:
    waiting = receiver["waiting"]
    screen.say(f"{receiver['id']}: {receiver['state']}, {waiting} {'waits' if waiting == 1 else 'wait'}")
    if not receiver["has_secret"]:
        screen.note(f"make its signing secret: imagefactory notify secret rotate {receiver['id']}")
