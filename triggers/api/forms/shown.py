"""Fields of answers that hold a name: made from a value of the domain, and described by its form."""

from enum import Enum
from typing import Annotated

from pydantic import BeforeValidator, WithJsonSchema

from triggers.api.forms import names


def _text(value: object) -> object:
    """The text of an enum's member or of a value type; None stays None."""
    if isinstance(value, Enum):
        return value.value
    return None if value is None else str(value)


Text = Annotated[str, BeforeValidator(_text)]  # from a value of the domain


ImageShown = Annotated[Text, WithJsonSchema(names.IMAGE.schema())]
TeamShown = Annotated[Text, WithJsonSchema(names.TEAM.schema())]
BuildShown = Annotated[Text, WithJsonSchema(names.BUILD.schema())]
VersionShown = Annotated[Text, WithJsonSchema(names.VERSION.schema())]
DigestShown = Annotated[Text, WithJsonSchema(names.DIGEST.schema())]
FileShown = Annotated[Text, WithJsonSchema(names.FILE.schema())]
ReceiverShown = Annotated[Text, WithJsonSchema(names.RECEIVER.schema())]
ReleaseShown = Annotated[Text, WithJsonSchema(names.RELEASE.schema())]
PoisonShown = Annotated[Text, WithJsonSchema(names.POISON.schema())]
