"""`imagefactory history` and `imagefactory builds list`: what happened to an image, newest first, in pages."""

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Annotated

import typer

from imagefactory import options, screen
from imagefactory.connection import Json
from imagefactory.screen import Format

PAGE = 50  # rows of one page where --limit does not say otherwise
_Row = Callable[[Json], Sequence[object]]

Name = Annotated[str, typer.Argument(metavar="NAME", help="The image; also one that was deleted.")]


def history(
    name: Name,
    url: options.Url = "",
    ca_file: options.CaFile = "",
    everything: options.All = False,
    cursor: options.Cursor = "",
    limit: options.Limit = PAGE,
    output: options.Output = Format.TABLE,
) -> None:
    """Show the journal of an image: who did what and why, newest first."""
    pages = options.client_of(url, ca_file).list_history(name, "journal", cursor, limit)
    columns = ("at", "event", "who", "build", "version", "detail")
    _show(f"journal of {name}", "entries", pages, columns, _entry, everything=everything, output=output)


def list_builds(
    name: Name,
    url: options.Url = "",
    ca_file: options.CaFile = "",
    everything: options.All = False,
    cursor: options.Cursor = "",
    limit: options.Limit = PAGE,
    output: options.Output = Format.TABLE,
) -> None:
    """List the builds of an image, newest first."""
    pages = options.client_of(url, ca_file).list_history(name, "builds", cursor, limit)
    columns = ("build", "created", "phase", "result", "version", "reasons", "gates (* simulated)")
    _show(f"builds of {name}", "builds", pages, columns, _build, everything=everything, output=output)


def _show(
    title: str,
    key: str,
    pages: Iterator[Json],
    columns: Sequence[str],
    row: _Row,
    *,
    everything: bool,
    output: Format,
) -> None:
    taken = list(pages if everything else islice(pages, 1))
    found = [each for page in taken for each in page[key]]
    following = taken[-1]["next"] if taken else None
    if output is Format.JSON:
        screen.write_json({key: found, "next": following})
        return
    screen.table(f"{title}, newest first", columns, [row(each) for each in found])
    if following:
        screen.note(f"more: --cursor {following}, or --all")


def _entry(entry: Json) -> Sequence[object]:
    who = screen.who(entry["actor"], entry.get("identity"))
    return (entry["at"], entry["event"], who, entry["build"], entry["version"], entry["detail"])


def _build(build: Json) -> Sequence[object]:
    return (
        build["id"],
        build["created_at"],
        build["phase"],
        build["result"],
        build["version"],
        build["reasons"],
        screen.marks(build.get("gates", ())),
    )
