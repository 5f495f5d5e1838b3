"""The token of one attempt as the text of an environment variable. It is a secret: no error repeats it.

The factory writes it, and the builder reads it. Readers ignore fields that they do not know.
"""

from datetime import datetime
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from pipeline_core.domain.blob_rights import BlobPlace, BlobToken
from pipeline_core.domain.errors import MalformedMessage

VARIABLE = "IF_BLOB_TOKEN"
SIGNATURE = "sig"  # the part of a query string that is the secret

_Query = Annotated[str, Field(pattern=r"^[A-Za-z0-9%&=_.~:/+-]{1,4096}$")]


class _Token(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True)

    until: AwareDatetime
    shared: _Query
    own: dict[str, _Query]


def to_wire(token: BlobToken) -> str:
    """The text."""
    own = {str(place): query for place, query in sorted(token.own.items())}
    return _Token(until=token.until, shared=token.shared, own=own).model_dump_json()


def from_wire(text: str) -> BlobToken:
    """Raises MalformedMessage, without the text."""
    try:
        read = _Token.model_validate_json(text)
    except ValidationError as error:
        wrong = ", ".join(sorted({str(each["loc"][0]) if each["loc"] else "JSON" for each in error.errors()}))
        raise MalformedMessage(f"the token for blobs cannot be read: {wrong}") from None
    own = {_place(place): query for place, query in read.own.items()}
    until: datetime = read.until
    return BlobToken(until=until, shared=read.shared, own=own)


def secrets_in(token: BlobToken) -> tuple[str, ...]:
    """The signatures, as they stand in an address: each one gives its holder the rights on one blob."""
    parts = [part for query in token.own.values() for part in query.split("&")]
    prefix = f"{SIGNATURE}="
    return tuple(part.removeprefix(prefix) for part in parts if part.startswith(prefix))


def _place(text: str) -> BlobPlace:
    container, _, name = text.partition("/")
    return BlobPlace(container=container, name=name)
