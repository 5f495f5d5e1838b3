"""Queue messages: pointers under 1 KiB, never state. A message in another form is refused.

A reader ignores fields that it does not know, so that workers of two releases can share the queues. A new field needs a
default, and a field keeps its meaning. Where a meaning must change, the schema is raised, and older readers refuse the
message: it is kept as a poison record, and the sweep does the work.
"""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pipeline_core.domain.errors import InvalidValue, MalformedMessage
from pipeline_core.domain.names import BuildId, CampaignId, ImageName
from pipeline_core.domain.receivers import ReceiverId
from pipeline_core.domain.versions import GalleryVersion

MESSAGE_LIMIT = 1024  # bytes of JSON text; the queue itself would take 48 KiB

REBUILD_REQUESTS = "rebuild-requests"
DISPATCH_REQUESTS = "dispatch-requests"
BUILD_STEPS = "build-steps"
BUILD_EVENTS = "build-events"
IMAGE_PUBLISHED = "image-published"
NOTIFICATION_REQUESTS = "notification-requests"
QUEUES = (
    REBUILD_REQUESTS,
    DISPATCH_REQUESTS,
    BUILD_STEPS,
    BUILD_EVENTS,
    IMAGE_PUBLISHED,
    NOTIFICATION_REQUESTS,
)

# Reasons of a rebuild message that its receiver acts on. Any other text is a reason for people.
ANCESTOR_ENDED = "ancestor-ended"  # an ancestor will not become current now: waiting images may continue
PARENT_PUBLISHED = "parent-published"  # there is a newer version to build on
BUILD_ENDED = "build-ended"  # the requests that came during the build are handled now

_Text = Annotated[str, Field(max_length=128)]


class Message(BaseModel):
    """The fields of every message; `traceparent` follows W3C Trace Context."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)

    schema_version: Literal[1] = Field(default=1, alias="schema", serialization_alias="schema")
    reason: _Text = ""
    campaign: _Text = ""
    traceparent: _Text = ""

    @classmethod
    def from_wire(cls, text: str) -> Self:
        """Raise MalformedMessage where the text is not this message."""
        if len(text.encode()) > MESSAGE_LIMIT:
            raise MalformedMessage(f"{cls.__name__} is larger than {MESSAGE_LIMIT} bytes")
        try:
            message = cls.model_validate_json(text)
            message.check()
        except ValidationError as error:
            places = "; ".join(
                f"{'.'.join(map(str, item['loc'])) or 'message'}: {item['msg']}"
                for item in error.errors()[:8]
            )
            raise MalformedMessage(f"the text is not a {cls.__name__}: {places}") from error
        except InvalidValue as error:
            raise MalformedMessage(f"the text is not a {cls.__name__}: {error}") from error
        return message

    def to_wire(self) -> str:
        """The JSON text that `from_wire` reads."""
        return self.model_dump_json(by_alias=True, exclude_defaults=False)

    def check(self) -> None:
        """Raise InvalidValue where a field is not a valid name or version."""
        if self.campaign:
            CampaignId(self.campaign)


class RebuildMessage(Message):
    """Look at this image."""

    image: _Text

    def check(self) -> None:
        super().check()
        ImageName(self.image)


class DispatchMessage(Message):
    """Fill free slots."""


class StepMessage(Message):
    """Advance this build if it is still at `seq`. With `once` no other look follows a wait.

    `tries` counts the consecutive transient errors of this chain of looks. The wait grows with it. `paused` is the
    key of the platform breaker that the build waits for, empty where it waits for none.
    """

    build: Annotated[str, Field(max_length=160)]
    seq: Annotated[int, Field(ge=0)]
    once: bool = False
    tries: Annotated[int, Field(ge=0, le=99)] = 0
    paused: Annotated[str, Field(max_length=32)] = ""

    def to_wire(self) -> str:
        """As for every message, without `paused` where the build waits for none: older releases do not know it."""
        left_out = frozenset() if self.paused else frozenset({"paused"})
        return self.model_dump_json(by_alias=True, exclude_defaults=False, exclude=set(left_out))

    def check(self) -> None:
        super().check()
        BuildId(self.build)


class BuildEventMessage(Message):
    """The builder says that something happened; the facts are in its result blob."""

    build: Annotated[str, Field(max_length=160)]
    stage: Literal["build", "verify"]
    attempt: Annotated[int, Field(ge=1)]
    kind: Literal["completed", "restarted"]

    def check(self) -> None:
        super().check()
        BuildId(self.build)


class PublishedMessage(Message):
    """This version of this image is live and current."""

    image: _Text
    version: _Text

    def check(self) -> None:
        super().check()
        ImageName(self.image)
        GalleryVersion.parse(self.version)


class NotificationMessage(Message):
    """Either the journal of an image has news from `entry` on, or the feed of a receiver has facts to deliver."""

    image: _Text = ""
    entry: _Text = ""
    receiver: _Text = ""

    def to_wire(self) -> str:
        """The JSON text. News of an image look as they did before there were feeds: an older release reads them."""
        absent = {name for name in ("image", "entry", "receiver") if not getattr(self, name)}
        return self.model_dump_json(by_alias=True, exclude=absent)

    def check(self) -> None:
        super().check()
        if self.receiver:
            ReceiverId(self.receiver)
        if bool(self.receiver) == bool(self.image) or bool(self.image) != bool(self.entry):
            raise InvalidValue(
                "a subject of a notification", self.image, "either an image with an entry, or a receiver"
            )
        if self.image:
            ImageName(self.image)
