"""`imagefactory catalog`: bring the files of tools to the factory, list and forget them."""

import os
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from imagefactory import folders, options, screen
from imagefactory.catalog import downloads
from imagefactory.catalog.downloads import Downloads
from imagefactory.catalog.submission import BroughtTool, Find, Submission
from imagefactory.client import Client
from imagefactory.failures import CommandRefused, Misused
from imagefactory.screen import Format
from imagefactory.waiting import Patience
from pipeline_core.domain.errors import InvalidValue
from pipeline_core.domain.names import Digest
from pipeline_core.guard.catalog import CatalogEntry, entries_of, hosts_of
from pipeline_core.wire.problems import Problem

commands = typer.Typer(help="Files of the catalog's tools (SecOps).", no_args_is_help=True)


@commands.callback()
def _options() -> None:
    pass


@commands.command("submit")
def submit(
    folder: Annotated[
        Path,
        typer.Argument(metavar="DIR", exists=True, file_okay=False, help="The folder with catalog.json."),
    ],
    tools: Annotated[
        list[str] | None, typer.Argument(metavar="[TOOL]...", help="Only these. Default: every entry.")
    ] = None,
    source: Annotated[
        Path | None,
        typer.Option(
            "--from",
            metavar="FOLDER",
            exists=True,
            file_okay=False,
            help="Take the files from here, not from their addresses.",
        ),
    ] = None,
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait until each is admitted; exit 1 where one is refused.")
    ] = False,
    limit: Annotated[float, typer.Option("--timeout", min=0.1, help="Seconds to wait at most.")] = 3600.0,
    every: Annotated[float, typer.Option("--every", min=0.05, help="Seconds between two looks.")] = 15.0,
    url: options.Url = "",
    ca_file: options.CaFile = "",
    output: options.Output = Format.TABLE,
) -> None:
    """Bring the files that the factory does not hold: fetch, compare the SHA-256, upload into quarantine.

    The factory checks and scans each file before a build may use it. SecOps only.
    """
    patience = Patience(limit=limit, every=every, report=screen.note) if wait else None
    done = bring(options.client_of(url, ca_file), folder, tools or [], source, patience)
    _show(done, output)
    demand_good(done)


def bring(
    client: Client, folder: Path, tools: list[str], source: Path | None, patience: Patience | None
) -> list[BroughtTool]:
    """Bring the files of a catalog, all where `tools` is empty. With `patience`, wait until each is judged."""
    catalog = folders.load_catalog(folder)
    wanted = _chosen(entries_of(catalog), tools)
    cache = _cache() if source is None else None
    find: Find = Downloads(folder=_cache(), hosts=hosts_of(catalog), report=screen.note).fetch
    if source is not None:
        find = partial(downloads.take_from, source)
    submission = Submission(client=client, find=find, report=screen.note, cache=cache)
    done = []
    for each in submission.bring(wanted):
        done.append(each)
        screen.note(f"{each.entry.id} {each.entry.version}: {each.outcome}")
    left = [each.entry for each in done if not each.is_wrong]
    if patience is None or not left:
        return done
    return [each for each in done if each.is_wrong] + submission.await_all(left, patience)


def demand_good(done: list[BroughtTool]) -> None:
    """Raise CommandRefused with every file that is not brought, or that is refused."""
    wrong = [each for each in done if each.is_wrong]
    if wrong:
        raise CommandRefused(
            f"{len(wrong)} of {len(done)} files {'are' if len(wrong) > 1 else 'is'} not admitted",
            [Problem(path=each.entry.id, message=each.outcome, remedy="") for each in wrong],
        )


@commands.command("list")
def list_tools(
    missing: Annotated[bool, typer.Option("--missing", help="Only those that builds wait for.")] = False,
    url: options.Url = "",
    ca_file: options.CaFile = "",
    output: options.Output = Format.TABLE,
) -> None:
    """List the files: what was brought, what became of it, and what builds wait for."""
    found = [
        each for each in options.client_of(url, ca_file).list_tools() if each["is_missing"] or not missing
    ]
    if output is Format.JSON:
        screen.write_json(found)
        return
    rows = []
    for each in found:
        record = each["record"] or {}
        rows.append(
            (
                each["sha256"],
                ", ".join(each["named_by"]),
                record.get("state") or "never brought",
                "yes" if each["is_missing"] else "",
                record.get("scanned_by"),
                record.get("reason"),
            )
        )
    columns = ("file", "tools in force", "state", "builds wait", "scanned by", "why")
    screen.table(f"{len(rows)} {'file' if len(rows) == 1 else 'files'}", columns, rows, whole=1)


@commands.command("remove")
def remove(
    digest: Annotated[str, typer.Argument(metavar="SHA256", help="The file, as `catalog list` prints it.")],
    reason: Annotated[str, typer.Option("--reason", help="Why; the log of the factory keeps it.")] = "",
    url: options.Url = "",
    ca_file: options.CaFile = "",
) -> None:
    """Forget a file and delete it. An admitted one only where no catalog in force or on trial names it. SecOps only."""
    options.demand_reason(reason, "say why; the log of the factory keeps it")
    try:
        sha256 = str(Digest(digest))
    except InvalidValue as error:
        raise Misused(f"SHA256 {digest[:100]!r} is not a digest: {error}") from error
    options.client_of(url, ca_file).remove_tool(sha256, reason)
    screen.say(f"{sha256} is removed; `imagefactory catalog submit` can bring it again")


def _chosen(entries: tuple[CatalogEntry, ...], tools: list[str]) -> list[CatalogEntry]:
    unknown = sorted(set(tools) - {entry.id for entry in entries})
    if unknown:
        raise Misused(f"the catalog has no {', '.join(unknown)[:200]}")
    return [entry for entry in entries if not tools or entry.id in tools]


def _cache() -> Path:
    """What is not complete stays here, for the next run."""
    home = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(home) / "imagefactory" / "catalog"


def _show(done: list[BroughtTool], output: Format) -> None:
    if output is Format.JSON:
        screen.write_json(
            [
                {
                    "id": each.entry.id,
                    "version": each.entry.version,
                    "sha256": each.entry.sha256,
                    "outcome": each.outcome,
                    "is_wrong": each.is_wrong,
                }
                for each in done
            ]
        )
        return
    rows = [(each.entry.id, each.entry.version, each.outcome) for each in done]
    screen.table(f"{len(rows)} {'file' if len(rows) == 1 else 'files'}", ("tool", "version", "outcome"), rows)
