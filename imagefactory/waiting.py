"""Follows a requested build to its end. Bounded by a deadline; asks the factory, decides nothing for it."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from imagefactory.client import Client
from imagefactory.connection import Json
from imagefactory.failures import CommandRefused


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long to wait in all, and between two looks, in seconds; `report` gets a line for each change."""

    limit: float
    every: float
    report: Callable[[str], None]


def await_build(client: Client, name: str, build: str | None, patience: Patience) -> Json:
    """The finished build; raises CommandRefused where it did not succeed or the deadline has passed.

    Without a build the image is watched until one starts, because a parent may be built first.
    """
    deadline = time.monotonic() + patience.limit
    reported = ""
    while time.monotonic() < deadline:
        if build is None:
            image, _ = client.get_image(name)
            build = image.get("active_build")
            line = f"{name}: {image.get('state')} {image.get('detail') or ''}".rstrip()
        else:
            seen = client.get_build(build)
            line = f"{build}: {seen['phase']} {seen.get('result') or ''}".rstrip()
            if seen["phase"] == "finished":
                patience.report(line)
                return _succeeded(seen)
        if line != reported:
            patience.report(line)
            reported = line
        client.sleep(patience.every)
    raise CommandRefused(
        f"{build or name} was not finished within {patience.limit:g} s; it goes on: {reported}"
    )


def _succeeded(build: Json) -> Json:
    if build.get("result") == "succeeded":
        return build
    owner = f"; its owner is {build['failure_owner']}" if build.get("failure_owner") else ""
    raise CommandRefused(
        f"{build['id']} {build.get('result')}: {build.get('failure') or 'no reason was given'}{owner}"
    )
