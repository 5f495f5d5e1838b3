"""Where the command's access token comes from: the environment, or the sign-in that Azure's tools share.

Never takes a token from an option, which other users of the machine could read, and never stores one.
"""

from collections.abc import Mapping

from azure.core.exceptions import ClientAuthenticationError
from azure.identity import CredentialUnavailableError, DefaultAzureCredential

from imagefactory.failures import CommandRefused, Misused, Unreachable

TOKEN = "IMAGEFACTORY_TOKEN"  # noqa: S105 - the name of a variable
SCOPE = "IMAGEFACTORY_SCOPE"
AZURE_TOKEN = "IMAGEFACTORY_AZURE_TOKEN"  # noqa: S105 - the name of a variable
_AZURE = "https://management.azure.com/.default"


def access_token(environ: Mapping[str, str]) -> str:
    """The token to send; raises Misused where no setting says how to get one."""
    given = environ.get(TOKEN, "").strip()
    if given:
        if not given.isascii() or not given.isprintable() or " " in given:
            raise Misused(f"{TOKEN} does not hold a token: give the token alone, without 'Bearer'")
        return given
    scope = environ.get(SCOPE, "").strip()
    if not scope:
        raise Misused(
            f"you are not signed in: set {SCOPE} to the factory's scope (api://.../.default) "
            f"and run `az login`, or set {TOKEN}"
        )
    return _signed_in(scope)


def azure_token(environ: Mapping[str, str]) -> str:
    """A token for Azure's own resources, from the same sign-in; never sent to a factory."""
    return environ.get(AZURE_TOKEN, "").strip() or _signed_in(_AZURE)


def _signed_in(scope: str) -> str:
    try:
        with DefaultAzureCredential() as credential:
            return credential.get_token(scope).token
    except CredentialUnavailableError as error:
        raise Unreachable(f"no sign-in was found: run `az login`; {error.message}") from error
    except ClientAuthenticationError as error:
        raise CommandRefused(f"the sign-in was refused for {scope}: {error.message}") from error
