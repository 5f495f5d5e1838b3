"""`imagefactory evidence`, `diff` and `sbom`: the kept files of a build, the changes between versions, and the packages
of an image.

Names of files come from a server, and their content from inside machines. Both are checked before a file is written.
"""

import contextlib
import io
import json
import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any, BinaryIO

import typer

from imagefactory import options, screen
from imagefactory.client import Client
from imagefactory.connection import Json
from imagefactory.failures import CommandRefused, Misused
from imagefactory.screen import Format

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}", re.ASCII)
_STAGES = ("build", "verify")

_Image = Annotated[str, typer.Argument(metavar="IMAGE", help="The image.")]


def evidence(
    identity: Annotated[str, typer.Argument(metavar="BUILD", help="The build.")],
    url: options.Url = "",
    ca_file: options.CaFile = "",
    save: Annotated[
        Path | None, typer.Option("--save", metavar="DIR", help="Store every file here; DIR is new or empty.")
    ] = None,
    output: options.Output = Format.TABLE,
) -> None:
    """List the kept files and the gates of a build. --save stores the files and checks every digest."""
    identity = options.build_of(identity)
    client = options.client_of(url, ca_file)
    found = client.get_evidence(identity)
    saved = None if save is None else _save(client, identity, found["files"], save)
    if output is Format.JSON:
        screen.write_json(found if saved is None else {**found, "saved": [str(path) for path in saved]})
        return
    screen.gates(found["gates"])
    rows = [
        (
            f"{file['stage']}-{file['attempt']}{'' if file['is_last'] else ' (earlier)'}",
            file["name"],
            file["size"],
            file["sha256"],
        )
        for file in found["files"]
    ]
    screen.table(f"{identity}: {len(rows)} files", ("attempt", "file", "bytes", "sha256"), rows)
    for problem in found["problems"]:
        screen.note(f"problem: {problem}")
    if saved is not None:
        screen.say(f"saved {len(saved)} files in {save}; every reported digest was checked")


def diff(
    name: _Image,
    before: Annotated[str, typer.Argument(metavar="FROM", help="The earlier version, like 1.20261120.1.")],
    after: Annotated[str, typer.Argument(metavar="TO", help="The later version; `show` lists them.")],
    url: options.Url = "",
    ca_file: options.CaFile = "",
    output: options.Output = Format.TABLE,
) -> None:
    """Show what differs between two published versions: packages, advisories, compliance."""
    image, old, new = options.image_of(name), options.version_of(before), options.version_of(after)
    found = options.client_of(url, ca_file).get_diff(image, old, new)
    if output is Format.JSON:
        screen.write_json(found)
        return
    rows = [
        (
            f"{each['name']}{'.' + each['arch'] if each['arch'] else ''}",
            each["kind"],
            each["before"],
            each["after"],
        )
        for each in found["packages"]
    ]
    screen.table(f"{name}: {len(rows)} packages differ", ("package", "change", before, after), rows)
    _show_advisories("advisories fixed", found["fixed"])
    _show_advisories("advisories still open", found["still_open"])
    _show_compliance(found["compliance"])
    if found["simulated"]:
        screen.note("simulated: no real machine reported its packages here")


def sbom(
    wanted: Annotated[
        str,
        typer.Argument(metavar="IMAGE[@VERSION]", help="The image; its current version unless one is named."),
    ],
    url: options.Url = "",
    ca_file: options.CaFile = "",
    file: Annotated[
        Path | None,
        typer.Option("--file", metavar="FILE", help="Write it here, byte for byte, instead of showing it."),
    ] = None,
) -> None:
    """Print the software bill of materials of a published version (CycloneDX JSON)."""
    name, version = options.image_and_version_of(wanted)
    client = options.client_of(url, ca_file)
    version = version or client.get_image(name)[0]["version"] or ""
    if not version:
        raise CommandRefused(f"{name} has no published version yet: ask for a build and wait for it")
    if file is None:
        content = io.BytesIO()  # a document for the screen is in memory anyway
        client.save_sbom(name, version, content)
        screen.write_json(_document(content.getvalue()))
        return
    _write(file, lambda part: client.save_sbom(name, version, part))
    screen.note(f"wrote the SBOM of {name}@{version} to {file}")


def _document(content: bytes) -> object:
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise CommandRefused("the SBOM is not JSON: store it with --file") from error


def _save(client: Client, identity: str, files: Sequence[Mapping[str, Any]], folder: Path) -> list[Path]:
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise Misused(f"--save {folder} exists and is not an empty folder: name another")
    saved = []
    for file in files:
        name, stage, attempt = str(file["name"]), file["stage"], file["attempt"]
        if not _NAME.fullmatch(name) or stage not in _STAGES or not isinstance(attempt, int):
            raise CommandRefused(
                f"the factory names a file {name!r}, which is not a valid name: it was not written"
            )
        place = f"{stage}-{attempt}"
        target = folder / place / name
        _write(target, partial(_receive, client, identity, place, file))
        saved.append(target)
    return saved


def _receive(client: Client, identity: str, place: str, listed: Mapping[str, Any], part: BinaryIO) -> None:
    """Receive one file. Raises CommandRefused where its digest is not the reported one."""
    digest = client.save_evidence(identity, place, str(listed["name"]), part)
    if listed["sha256"] and digest != listed["sha256"]:
        raise CommandRefused(
            f"{place}/{listed['name']} has another digest than the reported one: it was not written"
        )


def _write(target: Path, receive: Callable[[BinaryIO], object]) -> None:
    """Receive a file beside its place, and put it there when it is complete and its digest is right."""
    above = target.parent
    created = [each for each in (above, *above.parents) if not each.exists()]
    part = target.with_name(f".{target.name}.part")
    try:
        above.mkdir(parents=True, exist_ok=True)
        with part.open("xb") as file:
            receive(file)
        part.replace(target)
        created.clear()
    except OSError as error:
        raise Misused(f"{target} cannot be written: {error.strerror}") from error
    finally:
        part.unlink(missing_ok=True)
        for each in created:
            with contextlib.suppress(OSError):
                each.rmdir()


def _show_advisories(title: str, notes: Sequence[Json] | None) -> None:
    if notes is None:
        screen.say(f"{title}: not known, the machine could not ask its vendor")
        return
    rows = [(note["id"], note["severity"], note["kind"], note["packages"]) for note in notes]
    screen.table(f"{len(rows)} {title}", ("advisory", "severity", "kind", "packages"), rows)


def _show_compliance(change: Json) -> None:
    screen.facts("compliance", {word: _score(change[word]) for word in ("before", "after")})
    if change["newly_failing"] is None:
        screen.say("rules: the two scans cannot be compared")
        return
    rows = [("fails now", each["rule"], each["severity"], each["title"]) for each in change["newly_failing"]]
    rows += [
        ("fails no longer", each["rule"], each["severity"], each["title"])
        for each in change["no_longer_failing"]
    ]
    screen.table(f"{len(rows)} rules changed", ("change", "rule", "severity", "title"), rows)


def _score(scanned: Json | None) -> str:
    if scanned is None:
        return "not scanned"
    content = f" ({scanned['benchmark']})" if scanned.get("benchmark") else ""
    return f"{scanned['score']:g} by {scanned['profile']}{content}"
