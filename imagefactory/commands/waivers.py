"""`imagefactory waivers`: what images may fail until when, by whose word, and what teams ask for."""

from enum import StrEnum, unique
from typing import Annotated

import typer

from imagefactory import options, screen
from imagefactory.connection import Json
from imagefactory.failures import Misused
from imagefactory.screen import Format

commands = typer.Typer(help="Waivers: rules that an image may fail until a day.", no_args_is_help=True)

_COLUMNS = ("image", "team", "kind", "rule", "state", "until", "by", "on", "reason")
_STATES = {
    "asked": "asked for",
    "too-long": "longer than the policy allows",
    "unasked": "granted, not asked for",
}


@unique
class RuleKind(StrEnum):
    """What a waiver is about, as the option --kind takes it."""

    SCAN = "scan"  # a rule of the compliance scan
    HYGIENE = "hygiene"  # a finding in the image, by rule and path
    INVARIANT = "invariant"  # a test that the platform makes of every image


_Image = Annotated[str, typer.Argument(metavar="IMAGE", help="The image.")]
_Rule = Annotated[str, typer.Argument(metavar="RULE", help="The rule, or the name of the test.")]
_Kind = Annotated[RuleKind, typer.Option("--kind", help="What RULE is.")]
_Path = Annotated[str, typer.Option("--path", help="The path of a hygiene finding, as the gate names it.")]
_Reason = Annotated[str, typer.Option("--reason", help="Why; the record of the waiver keeps it.")]


@commands.command("list")
def list_waivers(
    image: Annotated[str, typer.Option("--image", help="Only of this image.")] = "",
    asked: Annotated[bool, typer.Option("--asked", help="Only those asked for that do not count.")] = False,
    ending: Annotated[bool, typer.Option("--ending", help="Only those that end within 14 days.")] = False,
    url: options.Url = "",
    ca_file: options.CaFile = "",
    output: options.Output = Format.TABLE,
) -> None:
    """List the waivers that definitions ask for and those granted, with who granted them and until when."""
    chosen = {"image": image, "asked": "true" if asked else "", "ending": "true" if ending else ""}
    query = "".join(f"&{key}={options.quoted(value)}" for key, value in chosen.items() if value)
    found = list(options.client_of(url, ca_file).list_waivers(query))
    if output is Format.JSON:
        screen.write_json(found)
        return
    screen.table(f"{len(found)} {'waiver' if len(found) == 1 else 'waivers'}", _COLUMNS, map(_row, found))


@commands.command("grant")
def grant(
    image: _Image,
    rule: _Rule,
    kind: _Kind = RuleKind.SCAN,
    path: _Path = "",
    until: Annotated[str, typer.Option("--until", metavar="DAY", help="The last day.")] = "",
    reason: _Reason = "",
    url: options.Url = "",
    ca_file: options.CaFile = "",
    output: options.Output = Format.TABLE,
) -> None:
    """Let an image fail a rule that its definition names, until a day. For those whom the policy names."""
    if not until:
        raise Misused("--until is missing: name the last day of the waiver")
    body = {**_subject(rule, kind, path, reason), "until": options.day_of(until)}
    made = options.client_of(url, ca_file).grant_waiver(options.image_of(image), body)
    if output is Format.JSON:
        screen.write_json(made)
        return
    screen.say(f"{made['image']} may fail {made['rule']} until {made['until']}")
    screen.note("an input that a gate refused is built again by itself")


@commands.command("withdraw")
def withdraw(
    image: _Image,
    rule: _Rule,
    kind: _Kind = RuleKind.SCAN,
    path: _Path = "",
    reason: _Reason = "",
    url: options.Url = "",
    ca_file: options.CaFile = "",
    output: options.Output = Format.TABLE,
) -> None:
    """End a waiver. For those whom the policy names. What is live stays; the next build is judged without it."""
    body = _subject(rule, kind, path, reason)
    made = options.client_of(url, ca_file).withdraw_waiver(options.image_of(image), body)
    if output is Format.JSON:
        screen.write_json(made)
        return
    screen.say(f"the waiver of {made['rule']} no longer counts for {made['image']}")


def _subject(rule: str, kind: RuleKind, path: str, reason: str) -> Json:
    if not reason.strip():
        raise Misused("--reason is missing: say why; the record of the waiver keeps it")
    if (kind is RuleKind.HYGIENE) is not bool(path):
        raise Misused("--path belongs to --kind hygiene, and that kind needs it")
    return {"kind": kind.value, "rule": rule, "path": path, "reason": reason}


def _row(waiver: Json) -> tuple[str, ...]:
    made = waiver["withdrawn"] or waiver["granted"] or {}
    until = waiver["until"] or ""
    return (
        waiver["image"],
        waiver["team"],
        waiver["kind"],
        f"{waiver['rule']} {waiver['path']}".strip(),
        _STATES.get(waiver["state"]) or str(waiver["state"]),
        f"{until} (soon)" if waiver["ends_soon"] else until,
        made.get("name", ""),
        made.get("at", "")[:10],
        made.get("reason", "") or f"the team: {waiver['asked_reason']}",
    )
