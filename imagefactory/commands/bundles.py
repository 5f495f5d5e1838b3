"""`imagefactory bundles`: let another team use a bundle that is stored."""

from typing import Annotated

import typer

from imagefactory import options, screen
from imagefactory.failures import Misused
from imagefactory.screen import Format
from pipeline_core.domain.errors import InvalidValue
from pipeline_core.domain.names import Digest

commands = typer.Typer(help="Stored bundles (SecOps).", no_args_is_help=True)


@commands.callback()
def _options() -> None:
    pass


@commands.command("share")
def share(
    bundle: Annotated[
        str, typer.Argument(metavar="DIGEST", help="Its SHA-256; `imagefactory pack` prints it.")
    ],
    to: Annotated[str, typer.Option("--to", metavar="TEAM", help="The team that may use it from now on.")],
    reason: Annotated[str, typer.Option("--reason", help="Why; the log of the factory keeps it.")] = "",
    url: options.Url = "",
    ca_file: options.CaFile = "",
    output: options.Output = Format.TABLE,
) -> None:
    """Let another team register images with a bundle that it has not uploaded. SecOps only."""
    options.demand_reason(reason, "say why the bundle is shared; the log of the factory keeps it")
    try:
        digest = str(Digest(bundle))
    except InvalidValue as error:
        raise Misused(f"DIGEST {bundle[:100]!r} is not a digest: {error}") from error
    shared = options.client_of(url, ca_file).share_bundle(digest, options.team_of(to), reason)
    if output is Format.JSON:
        screen.write_json(shared)
        return
    screen.say(f"{shared['bundle']} may be used by {', '.join(shared['owners'])}")
