"""Bodies of requests and answers: the Pydantic models of the API, used at this edge only. An absent value is null.

An answer reads its fields from the attributes of a view or of a value of the domain. Nothing is copied by hand.
"""

import json
from datetime import datetime
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue, WithJsonSchema
from pydantic.config import JsonDict

from pipeline_core.domain import texts
from triggers.api.forms import ecma
from triggers.api.forms.names import DigestText
from triggers.api.forms.shown import (
    BuildShown,
    DigestShown,
    ImageShown,
    PoisonShown,
    TeamShown,
    Text,
    VersionShown,
)


def _storable(document: dict[str, JsonValue]) -> dict[str, JsonValue]:
    """Refuse NaN and half characters: Python's JSON reader accepts them, but no store can write them."""
    try:
        json.dumps(document, allow_nan=False, ensure_ascii=False).encode()
    except ValueError as error:
        raise ValueError("holds a number that is not finite, or text that is not Unicode") from error
    return document


def _visible(text: str) -> str:
    """Refuse what nobody sees as it is: the text is shown on pages and terminals, and kept for ever."""
    hidden = texts.find_hidden(text)
    if hidden is not None:
        raise ValueError(f"holds the hidden character U+{ord(hidden):04X}: remove it")
    return text


VISIBLE = AfterValidator(_visible)
_LINE = 200  # characters
Reason = Annotated[
    Annotated[str, Field(max_length=_LINE), VISIBLE],
    WithJsonSchema(ecma.visible(most=_LINE, is_blank_allowed=True).schema()),
]  # of a person, one line
# The same where a service demands one: it says for what, so a request without it reaches the service.
Why = Annotated[Reason, WithJsonSchema(ecma.visible(most=_LINE, is_blank_allowed=False).schema())]
Document = Annotated[dict[str, JsonValue], AfterValidator(_storable)]


class Answer(BaseModel):
    """What is sent; made from a view of the services, or from a value of the domain."""

    model_config = ConfigDict(frozen=True, from_attributes=True)


class Request(BaseModel):
    """What is received; an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


def _needs_reason(schema: JsonDict) -> None:
    required, fields = schema.get("required", []), schema["properties"]
    if isinstance(required, list) and isinstance(fields, dict) and isinstance(fields["reason"], dict):
        schema["required"] = [*required, "reason"]
        fields["reason"].pop("default")


class ReasonedRequest(Request):
    """A request whose service refuses it without a reason (422)."""

    model_config = ConfigDict(json_schema_extra=_needs_reason)

    reason: Why = ""


class RegistrationRequest(Request):
    """A definition: `document` is `image.yaml` as JSON, `bundle` the SHA-256 of the packed folder."""

    document: Document
    bundle: DigestText


class RebuildRequest(Request):
    """Why somebody wants a build of unchanged inputs."""

    reason: Reason = "requested over the API"


class CancelRequest(Request):
    """Why somebody wants a build to stop."""

    reason: Reason = "cancelled over the API"


class Condition(Answer):
    """What stops an image or a build until a person acts: Stalled, BreakerOpen or Blocked.

    An image is Unreadable where the running release cannot read some of its rows.

    An image is HeldBack where it stays on an older base because an ancestor rests (shown for one image, not in lists).
    A root is SourceWithdrawn where it was built from a release that the Marketplace no longer offers, SourceSilent
    where its source gives nothing, and SourceEnds where the publisher has named the last day of its release.
    An image is LineageBroken where its parents do not end at a root, ToolDropped where the catalog no longer has a tool
    that it names, and ChannelNotFollowed where it names a channel of its parent that does not exist.
    It is in a PlatformTrial where SecOps try platform steps on it that are not in force.
    It is BelowFloor where SecOps raised the floor above it. `since` is null until the policy's date.
    A build that was cancelled or given up is Stopping until everything that it made is removed.
    `reason` is for programs, `message` for people.
    """

    type: Text
    since: datetime | None
    reason: str
    message: str


class Image(Answer):
    """One image. `state` is for programs, `detail` for people; either `source` or `parent` is null.

    Where its row cannot be read, `state` is `unknown`, and nothing else is known: also `team` is null.
    """

    name: ImageShown
    team: TeamShown | None
    parent: ImageShown | None
    source: str | None
    version: VersionShown | None
    origin_version: str | None
    fingerprint: DigestShown | None
    published_at: datetime | None
    active_build: BuildShown | None
    active_phase: str | None
    state: str
    reasons: tuple[str, ...]
    detail: str
    conditions: tuple[Condition, ...] = ()


class FixedTrait(Answer):
    """A key of `spec.os` that the first build fixes; `change` says how it can still change."""

    name: str
    value: str
    change: str


class RegisteredImage(Image):
    """The image, and which of its keys the first build fixes. Every other key may change at any time.

    `notes` say, one line each, what a person should know or do about it.
    """

    fixed: tuple[FixedTrait, ...]
    notes: tuple[str, ...] = ()


class Gate(Answer):
    """The decision of one gate, and its evidence. `score` is 0 to 100, or null where the gate compares no scores.

    `simulated`: a recorded or emulated machine answered. `waived`: what was waived, who granted it, until when.
    """

    gate: str
    passed: bool
    score: float | None
    evidence: str
    simulated: bool
    waived: tuple[str, ...]


class Build(Answer):
    """One build; `result` is null until it has ended, `gates` is empty until it was judged."""

    id: BuildShown
    image: ImageShown
    phase: str
    result: str | None
    seq: int
    attempt: int
    lane: str
    version: VersionShown | None
    origin_version: str
    fingerprint: DigestShown
    campaign: str
    reasons: tuple[str, ...]
    created_at: datetime
    phase_since: datetime
    provenance: str | None
    failure_class: str | None
    failure_owner: str | None
    failure: str | None
    conditions: tuple[Condition, ...] = ()
    gates: tuple[Gate, ...] = ()


class Entry(Answer):
    """One line of an image's journal. `actor` is a name for people; `identity` says who it was.

    `identity` is `user:OBJECT_ID@TENANT` or `application:APPLICATION_ID@TENANT`. It is null for a part of the factory,
    and in lines of older releases.
    """

    at: datetime
    event: Text
    actor: str
    identity: str | None
    build: BuildShown | None
    version: VersionShown | None
    reasons: tuple[str, ...]
    detail: str
    campaign: str | None


class ImageWithHistory(Image):
    """One image with its newest builds and journal lines, newest first.

    `next_builds` and `next_journal` are the `cursor` of what follows, null at the end. `paused` is one line about a
    pause of the whole factory, null while there is none.
    """

    definition: DigestShown | None
    bundle: DigestShown | None
    builds: tuple[Build, ...]
    journal: tuple[Entry, ...]
    next_builds: str | None
    next_journal: str | None
    paused: str | None = None


class Builds(Answer):
    """A page of an image's builds, newest first; `next` is the `cursor` of the following page, null at the end."""

    builds: tuple[Build, ...]
    next: str | None


class Journal(Answer):
    """A page of an image's journal, newest first; `next` is the `cursor` of the following page, null at the end."""

    entries: tuple[Entry, ...]
    next: str | None = Field(validation_alias="after")


class Images(Answer):
    """A page of images by name; `next` is the `after` of the following page, null at the end.

    `paused` is one line about a pause of the whole factory, null while there is none.
    """

    images: tuple[Image, ...]
    next: str | None
    paused: str | None = None


class PoisonRecord(Answer):
    """A message that could not be handled. Anybody may have written `text`: show it as text, never render it.

    `is_whole` is false where the message was cut or is not text. Then it cannot be sent again.
    `size` is the length of the whole message in bytes.
    `error` names the fault of the text. It is null where the text is well-formed and its handler failed.
    """

    key: PoisonShown
    queue: str
    text: str
    at: datetime
    size: int
    is_whole: bool
    image: ImageShown | None
    build: BuildShown | None
    error: str | None
    state: Text
    closed_by: str | None
    closed_identity: str | None
    closed_at: datetime | None


class PoisonRecords(Answer):
    """A page of poisoned messages, newest first; `next` is the `after` of the following page, null at the end."""

    records: tuple[PoisonRecord, ...]
    next: str | None = Field(validation_alias="after")


class Misplaced(Answer):
    """An image that has no place in the forest, and why."""

    image: ImageShown
    message: str


class Lineage(Answer):
    """A page of images by level, roots first; the parent of each (null for a root); and the images without a place.

    Without `image`, a parent may be on another page: then the image counts as level 0 of this one. `next` is the
    `after` of the following page, null at the end.
    """

    levels: tuple[tuple[ImageShown, ...], ...]
    parents: dict[str, str | None]
    errors: tuple[Misplaced, ...]
    next: str | None


class Bundle(Answer):
    """A stored bundle; `created` is false where it was there already."""

    bundle: DigestShown
    created: bool


class RequestedBuild(Answer):
    """The outcome of a request. `build` is null where there is nothing to build yet. `why` is the reason."""

    token: Text
    build: BuildShown | None
    why: str
    detail: str


class PolicyRequest(Request):
    """SecOps' policy: `document` is the YAML file as JSON."""

    document: Document


class PolicyVersion(Answer):
    """A version of the policy: who put it in force, and when. `digest` names its document."""

    revision: int
    digest: DigestShown
    actor: str
    identity: str | None
    at: datetime


class Policy(PolicyVersion):
    """One version with its document, `unregistered` bases after a PUT, and `notes` about what an older one accepted."""

    document: dict[str, JsonValue]
    unregistered: tuple[Text, ...] = ()
    notes: tuple[str, ...] = ()


class PolicyVersions(Answer):
    """Versions of the policy, newest first; `next` is the `before` of the following page, null at the end."""

    versions: tuple[PolicyVersion, ...]
    next: int | None


class Health(Answer):
    """`ok` where state can be read. `paused` is true while SecOps pause the factory, or end its last creations."""

    status: str
    paused: bool


class Fault(Answer):
    """One error: its place, what is wrong, and how to repair it."""

    path: str
    message: str
    remedy: str


class ProblemDetails(Answer):
    """RFC 9457; `type` names the kind of problem for programs, `correlation_id` finds the request in the logs."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    correlation_id: str
    errors: tuple[Fault, ...] = ()
