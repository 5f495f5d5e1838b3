"""`imagefactory pause` and `resume`: SecOps' kill switch. `imagefactory retry`: their word that an outage is over."""

import time
from typing import Annotated

import typer

from imagefactory import options, screen
from imagefactory.client import Client
from imagefactory.connection import Json
from imagefactory.failures import CommandRefused, Misused
from imagefactory.screen import Format

_PATIENCE = 300.0  # seconds; a creation that is under way ends within 135
_EVERY = 5.0  # seconds between two looks


def pause(
    reason: Annotated[
        str, typer.Option("--reason", help="For the factory's journal and SecOps' receivers; needed.")
    ] = "",
    status: Annotated[bool, typer.Option("--status", help="Show whether the factory is paused.")] = False,
    wait: Annotated[
        bool, typer.Option("--wait/--no-wait", help="Wait until it is certain that nothing more is created.")
    ] = True,
    url: options.Url = "",
    ca_file: options.CaFile = "",
    output: options.Output = Format.TABLE,
) -> None:
    """Pause the whole factory: no container group is created when this command has ended. SecOps only.

    What runs goes on to the end of its container, and what is verified is published. Nothing is lost.
    """
    client = options.client_of(url, ca_file)
    if status == bool(reason.strip()):
        raise Misused("give --reason TEXT to pause the factory, or --status to look whether it is paused")
    answer = client.get_pause() if status else client.pause(reason)
    if wait and not status:
        answer = _complete(client, answer)
    if output is Format.JSON:
        screen.write_json(answer)
        return
    screen.say(_line(answer))


def resume(
    reason: Annotated[str, typer.Option("--reason", help="For the factory's journal.")] = (
        "resumed with imagefactory resume"
    ),
    url: options.Url = "",
    ca_file: options.CaFile = "",
    output: options.Output = Format.TABLE,
) -> None:
    """End the pause of the factory, and set everything going. SecOps only."""
    answer = options.client_of(url, ca_file).resume(reason)
    if output is Format.JSON:
        screen.write_json(answer)
        return
    screen.say(_line(answer))


def warn(paused: str | None) -> None:
    """Say on standard error that the factory is paused. A factory of an older release says nothing."""
    if paused:
        screen.note(f"! {paused}")


def retry(
    error_class: Annotated[
        str,
        typer.Option(
            "--class", metavar="CLASS", help="The class of error, as builds and conditions show it."
        ),
    ] = "",
    url: options.Url = "",
    ca_file: options.CaFile = "",
    output: options.Output = Format.TABLE,
) -> None:
    """Try again what failed by one class of error, and let go what its outage holds back. SecOps only."""
    client = options.client_of(url, ca_file)
    if not error_class:
        opened = ", ".join(f"{each['error_class']} in {each['scope']}" for each in client.list_outages())
        raise Misused(
            f"--class is missing: {f'open now: {opened}' if opened else 'no platform breaker is open'}"
        )
    closed, images = client.retry(error_class)
    if output is Format.JSON:
        screen.write_json({"class": error_class, "closed": closed, "images": images})
        return
    screen.say(f"{error_class}: {len(closed)} breakers closed, {len(images)} images are tried again")
    for line in (*closed, *images):
        screen.note(line)


def _complete(client: Client, answer: Json) -> Json:
    end = time.monotonic() + _PATIENCE
    while answer["state"] == "pausing":
        if time.monotonic() >= end:
            raise CommandRefused(
                "the factory is still pausing: look again with `imagefactory pause --status`; nothing new is begun"
            )
        screen.note("pausing: a creation that was under way is waited for")
        time.sleep(_EVERY)
        answer = client.get_pause()
    return answer


def _line(answer: Json) -> str:
    return str(answer["message"] or "the factory is not paused")
