"""Options that most commands share, and the client that they describe. Decides nothing else."""

import os
from datetime import date
from typing import Annotated
from urllib.parse import quote

import typer

from imagefactory import screen, sign_in
from imagefactory.client import Client
from imagefactory.connection import checked_url
from imagefactory.failures import Misused
from imagefactory.screen import Format
from pipeline_core.domain.errors import InvalidValue
from pipeline_core.domain.names import BuildId, ImageName, TeamName
from pipeline_core.domain.versions import GalleryVersion

Url = Annotated[str, typer.Option("--url", envvar="IMAGEFACTORY_URL", help="The factory's address.")]
CaFile = Annotated[
    str,
    typer.Option(
        "--ca-file", envvar="IMAGEFACTORY_CA_FILE", help="Trust this PEM file instead of the public CAs."
    ),
]
All = Annotated[bool, typer.Option("--all", help="Every page, to the end.")]
Cursor = Annotated[str, typer.Option("--cursor", help="Continue there, as the page before says.")]
Limit = Annotated[int, typer.Option("--limit", min=1, max=200, help="Rows of a page.")]
Output = Annotated[Format, typer.Option("--output", "-o", help="How to write the answer.")]


def client_of(url: str, ca_file: str) -> Client:
    """A signed-in client; raises Misused where no factory is named or nobody is signed in."""
    if not url:
        raise Misused("no factory is named: give --url or set IMAGEFACTORY_URL")
    return Client(
        url=checked_url(url), token=sign_in.access_token(os.environ), ca_file=ca_file, report=screen.note
    )


def demand_reason(reason: str, advice: str) -> None:
    """Raise Misused, before any request, where a decision of a person has no reason; `advice` says what to write."""
    if not reason.strip():
        raise Misused(f"--reason is missing: {advice}")


def image_of(text: str) -> str:
    """The name of an image; raises Misused, before any request, where it cannot be one."""
    try:
        return str(ImageName(text))
    except InvalidValue as error:
        raise Misused(
            f"IMAGE {text[:100]!r} is not a name of an image: give {error.rule}; `imagefactory list` prints them"
        ) from error


def team_of(text: str) -> str:
    """The name of a team; raises Misused, before any request, where it cannot be one."""
    try:
        return str(TeamName(text))
    except InvalidValue as error:
        raise Misused(f"TEAM {text[:100]!r} is not a name of a team: {error}") from error


def quoted(text: str) -> str:
    """A value of a query."""
    return quote(text, safe="")


def day_of(text: str) -> str:
    """A day as YYYY-MM-DD; raises Misused where it is none."""
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError as error:
        raise Misused(f"--until {text[:40]!r} is not a day: give one like 2027-01-31") from error


def build_of(text: str) -> str:
    """The id of a build; raises Misused, before any request, where it cannot be one."""
    try:
        return str(BuildId(text))
    except InvalidValue as error:
        raise Misused(
            f"BUILD {text[:100]!r} is not an id of a build: give one like payments-api.0c7cf3219811.1; "
            "`imagefactory show IMAGE` lists them"
        ) from error


def version_of(text: str) -> str:
    """The number of a version; raises Misused, before any request, where it cannot be one."""
    try:
        return str(GalleryVersion.parse(text))
    except InvalidValue as error:
        raise Misused(
            f"{text[:100]!r} is not a version: give one like 1.20261121.1; `imagefactory show IMAGE` lists them"
        ) from error


def image_and_version_of(text: str) -> tuple[str, str]:
    """Both of `IMAGE[@VERSION]`; the version is empty where none is named. Raises Misused."""
    name, mark, version = text.partition("@")
    return image_of(name), version_of(version) if mark else ""
