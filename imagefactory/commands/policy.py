"""`imagefactory policy`: SecOps' floor under every image: show it, set it, check a file or the fleet against it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from imagefactory import options, screen
from imagefactory.connection import Json
from imagefactory.failures import CommandRefused, Exit, Misused
from imagefactory.screen import Format
from pipeline_core.wire import policy as wire
from pipeline_core.wire.document.text import DOCUMENT_LIMIT, read_yaml
from pipeline_core.wire.problems import InvalidDocument

_BELOW = "BelowFloor"

commands = typer.Typer(help="SecOps' policy: the floor under every image.", no_args_is_help=True)

_File = Annotated[
    Path, typer.Argument(metavar="FILE", exists=True, dir_okay=False, help="The policy document (YAML).")
]


@commands.command("show")
def show(
    url: options.Url = "",
    ca_file: options.CaFile = "",
    version: Annotated[
        int | None, typer.Option("--version", min=1, help="This version instead of the one in force.")
    ] = None,
    history: Annotated[bool, typer.Option("--history", help="Who put what in force, and when.")] = False,
    output: options.Output = Format.TABLE,
) -> None:
    """Show the policy in force, an older version, or the history."""
    client = options.client_of(url, ca_file)
    if history:
        if version is not None:
            raise Misused("--version and --history exclude each other: give one")
        _show_history(list(client.list_policy_versions()), output)
        return
    found = client.get_policy(version)
    if output is Format.JSON:
        screen.write_json(found)
        return
    facts = {
        "by": screen.who(found["actor"], found.get("identity")),
        "at": found["at"],
        "digest": found["digest"],
    }
    screen.facts(f"policy {found['revision']}", facts)
    screen.facts("what it demands", dict(_lines(found["document"].get("spec", {}))))
    for note in found.get("notes", ()):
        screen.note(note)


@commands.command("set")
def set_policy(
    file: _File,
    url: options.Url = "",
    ca_file: options.CaFile = "",
    create: Annotated[bool, typer.Option("--create", help="Only if there is no policy yet.")] = False,
    if_match: Annotated[
        str, typer.Option("--if-match", metavar="ETAG", help="Only over this version; -o json prints it.")
    ] = "",
    output: options.Output = Format.TABLE,
) -> None:
    """Put a document in force; by default over the version that the factory has now. SecOps only."""
    if create and if_match:
        raise Misused("--create and --if-match exclude each other: give one")
    document = _read(file)
    client = options.client_of(url, ca_file)
    etag = None if create else if_match.strip() or client.find_policy_etag()
    answer = client.put_policy(document, etag if etag is None or etag.startswith('"') else f'"{etag}"')
    if output is Format.JSON:
        screen.write_json({**answer.body, "etag": answer.headers.get("ETag", "")})
        return
    screen.say(f"in force: policy {answer.body['revision']} of {answer.body['at']}")
    if answer.body["unregistered"]:
        screen.note(f"not registered (yet): {', '.join(answer.body['unregistered'])}")


@commands.command("check")
def check(
    file: Annotated[
        Path | None,
        typer.Argument(
            metavar="[FILE]", exists=True, dir_okay=False, help="A document; without it: the fleet."
        ),
    ] = None,
    url: options.Url = "",
    ca_file: options.CaFile = "",
    output: options.Output = Format.TABLE,
) -> None:
    """Check a document without the factory. Without FILE, list the images below the floor in force."""
    if file is not None:
        try:
            _read(file)
        except InvalidDocument as error:
            if output is Format.JSON:
                problems = [screen.as_json(each) for each in error.problems]
                screen.write_json({"valid": False, "problems": problems})
                raise typer.Exit(Exit.REFUSED) from error
            raise
        if output is Format.JSON:
            screen.write_json({"valid": True, "problems": []})
        else:
            screen.say(f"{file} is valid")
        return
    client = options.client_of(url, ca_file)
    found = [
        {"image": image["name"], "team": image["team"], **_shown(each)}
        for image in client.list_images(None)
        for each in image.get("conditions", ())
        if each["type"] == _BELOW
    ]
    if not found and client.find_policy_etag() is None:
        screen.note("there is no policy in force, so there is no floor that an image could be below")
        if output is Format.JSON:
            screen.write_json(found)
    elif output is Format.JSON:
        screen.write_json(found)
    elif found:
        rows = [(each["image"], each["team"], each["reason"], each["message"]) for each in found]
        screen.table(f"{len(rows)} images below the floor", ("image", "team", "state", "what"), rows)
    else:
        screen.say("no image is below the floor")
    if any(each["reason"] == "FloorEnforced" for each in found):
        raise CommandRefused("images are below the floor: their teams must register or rebuild them")


def _read(file: Path) -> dict[str, object]:
    """The document, checked as the factory checks it; raises InvalidDocument with every problem."""
    try:
        with file.open("rb") as opened:
            content = opened.read(DOCUMENT_LIMIT + 1)
    except OSError as error:
        raise Misused(f"{file} cannot be read: {error.strerror}") from error
    document = dict(read_yaml(content))
    wire.parse_policy(document, revision=0)
    return document


def _shown(condition: Json) -> Json:
    return {key: condition[key] for key in ("reason", "since", "message")}


def _show_history(versions: list[Json], output: Format) -> None:
    if output is Format.JSON:
        screen.write_json(versions)
        return
    rows = [
        (each["revision"], each["at"], screen.who(each["actor"], each.get("identity")), each["digest"])
        for each in versions
    ]
    screen.table(f"{len(rows)} versions, newest first", ("version", "at", "who", "digest"), rows)


def _lines(value: object, path: str = "") -> list[tuple[str, object]]:
    """A document as paths and values, for people."""
    if isinstance(value, Mapping):
        return [
            line for key, inner in value.items() for line in _lines(inner, f"{path}.{key}" if path else key)
        ]
    return [(path, value)]
