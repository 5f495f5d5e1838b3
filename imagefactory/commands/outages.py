"""`imagefactory retry`: SecOps' word that an outage of the platform is over."""

from typing import Annotated

import typer

from imagefactory import options, screen
from imagefactory.failures import Misused
from imagefactory.screen import Format


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
