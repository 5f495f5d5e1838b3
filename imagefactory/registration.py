"""Brings folders to the factory: upload, then register over the version that the command saw. Prints nothing."""

from collections.abc import Sequence
from dataclasses import dataclass

from imagefactory.client import Client
from imagefactory.connection import Json
from imagefactory.failures import CommandRefused
from imagefactory.folders import ImageFolder, PlatformFolder


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectedVersion:
    """Which version of the image may be replaced; by default the one that the factory shows just before."""

    create: bool = False
    etag: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistrationAnswer:
    """The outcome of a registration."""

    created: bool
    uploaded: bool
    image: Json
    etag: str


def register(client: Client, folder: ImageFolder, condition: ExpectedVersion) -> RegistrationAnswer:
    """Upload the bundle, then create or replace the definition."""
    name = str(folder.definition.name)
    uploaded = client.put_bundle(folder.bundle)
    etag = _etag(client, name, condition)
    try:
        answer = client.put_image(name, folder.document, folder.bundle, etag)
    except CommandRefused as error:
        if error.status == 412:
            raise CommandRefused(f"{error}; see `imagefactory show {name}`", status=412) from error
        raise
    return RegistrationAnswer(
        created=answer.status == 201,
        uploaded=uploaded,
        image=answer.body,
        etag=answer.headers.get("ETag", ""),
    )


def register_platform(
    client: Client, folder: PlatformFolder, *, drop_used: bool = False, canaries: Sequence[str] = ()
) -> Json:
    """Upload the platform steps, then put them and the catalog in force, or on trial."""
    client.put_bundle(folder.bundle)
    return client.put_platform(folder.catalog, folder.bundle, drop_used=drop_used, canaries=canaries)


def _etag(client: Client, name: str, condition: ExpectedVersion) -> str | None:
    if condition.create:
        return None
    if condition.etag:
        text = condition.etag.strip()
        return text if text.startswith('"') else f'"{text}"'
    found = client.find_image(name)
    return None if found is None else found[1]
