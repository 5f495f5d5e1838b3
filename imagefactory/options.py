"""Options that most commands share, and the client that they lead to. Decides nothing else."""

import os
from typing import Annotated

import typer

from imagefactory import client as api
from imagefactory import sign_in
from imagefactory.failures import Misused
from imagefactory.screen import Format

Url = Annotated[str, typer.Option("--url", envvar="IMAGEFACTORY_URL", help="The factory's address.")]
CaFile = Annotated[
    str,
    typer.Option(
        "--ca-file", envvar="IMAGEFACTORY_CA_FILE", help="Trust this PEM file instead of the public CAs."
    ),
]
Output = Annotated[Format, typer.Option("--output", "-o", help="How to write the answer.")]


def client_of(url: str, ca_file: str) -> api.Client:
    """A signed-in client; raises Misused where no factory is named or nobody is signed in."""
    if not url:
        raise Misused("no factory is named: give --url or set IMAGEFACTORY_URL")
    return api.Client(url=api.checked_url(url), token=sign_in.access_token(os.environ), ca_file=ca_file)
