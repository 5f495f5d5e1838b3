"""`imagefactory poison`: look at messages that could not be handled, send one again, put one aside.

Anybody may have written their texts. They go through `screen`, which obeys nothing in them.
"""

from enum import StrEnum, unique
from typing import Annotated

import typer

from imagefactory import options, screen
from imagefactory.screen import Format

_SHOWN = 200  # characters of a text in the table; JSON has all that is kept

commands = typer.Typer(help="Messages that could not be handled.", no_args_is_help=True)

_Key = Annotated[str, typer.Argument(metavar="KEY", help="The record, as `poison list` prints it.")]


@unique
class State(StrEnum):
    """The states of a poisoned message that the option --state takes."""

    OPEN = "open"  # nobody has dealt with it
    REQUEUED = "requeued"  # sent to its queue again
    DISMISSED = "dismissed"  # put aside
    ALL = "all"  # any of these


@commands.command("list")
def list_poison(
    url: options.Url = "",
    ca_file: options.CaFile = "",
    state: Annotated[State, typer.Option("--state", help="Only these.")] = State.OPEN,
    limit: Annotated[int, typer.Option("--limit", min=1, help="Show at most this many, newest first.")] = 100,
    output: options.Output = Format.TABLE,
) -> None:
    """List messages that could not be handled, newest first; a team sees only those about its own images."""
    wanted = "" if state is State.ALL else state.value
    found = list(options.client_of(url, ca_file).list_poison(wanted, limit))
    if output is Format.JSON:
        screen.write_json(found)
        return
    rows = [
        (
            record["key"],
            record["at"],
            record["queue"],
            record["build"] or record["image"],
            record["state"],
            record["error"] or "its handler failed",
            _shown(record["text"], is_whole=record["is_whole"]),
        )
        for record in found
    ]
    columns = ("key", "at", "queue", "about", "state", "error", "text")
    screen.table(f"{len(rows)} poisoned messages, newest first", columns, rows)


@commands.command("requeue")
def requeue(
    key: _Key, url: options.Url = "", ca_file: options.CaFile = "", output: options.Output = Format.TABLE
) -> None:
    """Send a message to its queue again, exactly as it was; repair the cause first."""
    record = options.client_of(url, ca_file).requeue_poison(key)
    if output is Format.JSON:
        screen.write_json(record)
        return
    screen.say(f"{record['key']}: sent to {record['queue']} again")


@commands.command("dismiss")
def dismiss(key: _Key, url: options.Url = "", ca_file: options.CaFile = "") -> None:
    """Put a message aside: it is not sent again, and its image is no longer stalled by it."""
    options.client_of(url, ca_file).dismiss_poison(key)
    screen.say(f"{key}: dismissed")


def _shown(text: str, *, is_whole: bool) -> str:
    cut = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
    return cut if is_whole else f"{cut} (not whole: cannot be sent again)"
