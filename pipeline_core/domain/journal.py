"""The journal: every decision about an image with its reasons, who asked, and what it led to. Append-only."""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, unique

from pipeline_core.domain.names import BuildId, ImageName


@unique
class Event(Enum):
    """What happened; the text is the event's name in notifications."""

    REGISTERED = "definition.registered"  # a new or changed definition was accepted
    UNREGISTERED = "definition.deleted"  # a definition was deleted; its versions stay
    NAME_HANDED_OVER = "name.handed-over"  # SecOps reserved a deleted image's name for another team
    NAME_FREED = "name.freed"  # no live version of the deleted image is left: any team may use its name
    REQUESTED = "rebuild.requested"  # a person asked for a build of unchanged inputs
    QUEUED = "build.queued"  # a stale image's input was claimed
    STARTED = "build.started"  # the build got a slot
    RETRIED = "build.retried"  # a transient error: the stage is tried again
    FAILED = "build.failed"  # the build ended without a version
    CANCEL_REQUESTED = "build.cancel-requested"  # a person asked for it to be stopped
    CANCELLED = "build.cancelled"  # a person stopped it
    SUPERSEDED = "build.superseded"  # a newer input replaced it before it ran
    WITHDRAWN = "build.withdrawn"  # nobody wants its input any more: it did not run, or its version stays out
    PUBLISHED = "image.published"  # a new version is live and current
    REUSED = "image.reused"  # a version that was built before is current again
    STALLED = "image.stalled"  # a message about it was poisoned
    REQUEUED = "message.requeued"  # a person sent a poisoned message again
    DISMISSED = "message.dismissed"  # a person put a poisoned message aside
    BREAKER_OPENED = "image.breaker-opened"  # failures in a row: the same inputs are not tried again
    BREAKER_CLOSED = "image.breaker-closed"  # a changed input or a person lets it be built again
    PLATFORM_BREAKER_OPENED = "platform.breaker-opened"  # the platform fails: builds of a scope are held back
    PLATFORM_BREAKER_CLOSED = "platform.breaker-closed"  # it works again, and what was held back goes on
    LATE = "build.late"  # its phase takes longer than expected; the build goes on
    CAMPAIGN_STALLED = "campaign.stalled"  # no build of the campaign has moved for hours
    UNPROVEN = "image.unproven"  # a live version appeared that the factory did not publish
    RELEASE_WITHDRAWN = "source.release-withdrawn"  # the Marketplace no longer offers a release of its source
    RELEASE_RETURNED = "source.release-returned"  # a withdrawn release is offered again
    RELEASE_ACCEPTED = (
        "source.release-accepted"  # SecOps lets the image step down to the newest that is offered
    )
    FELL_BACK = (
        "image.fell-back"  # its current version was lost or taken out: an older one is current, or none
    )
    EXCLUDED = "version.excluded"  # somebody took a version out of `latest`: it is not used any more
    INCLUDED = "version.included"  # a version that was taken out may be used again
    GONE = "version.gone"  # a gallery no longer holds a version that nobody of the factory has deleted
    GALLERIES_DOUBTED = (
        "galleries.doubted"  # too many versions differ at once: nothing is moved, a person looks
    )
    GALLERIES_ACCEPTED = (
        "galleries.accepted"  # SecOps believe what its gallery shows, however many images differ
    )
    RETIRED = "version.retired"  # retention took a version out of `latest`, and deletes it later
    TAKEN_BACK = "version.taken-back"  # a retired version is used again, and stays
    TOOL_DROPPED = "catalog.tool-dropped"  # SecOps took a tool out of the catalog that the image names
    LINEAGE_BROKEN = "image.lineage-broken"  # its parents do not end at a root: it cannot be built
    SOURCE_SILENT = "source.silent"  # the Marketplace has given nothing for its source for some time
    PRUNED = "version.pruned"  # retention removed a version
    LEFTOVER = "build.leftover-removed"  # something that a dead build or attempt had left was removed
    RECEIVER_OFF = (
        "receiver.switched-off"  # a receiver of notifications failed for days, or wants nothing more
    )
    RECEIVER_ON = "receiver.switched-on"  # a person switched a receiver on again
    APPROVED = "parent.approved"  # SecOps lets another team build on the image
    APPROVAL_WITHDRAWN = "parent.approval-withdrawn"  # SecOps no longer lets a team build on it
    OFFER_WITHDRAWN = "parent.offer-withdrawn"  # its owner no longer offers it to a team
    OFFERED = "parent.offered"  # its owner offers it to a team again
    WAIVER_GRANTED = "waiver.granted"  # SecOps lets the image fail a rule until a day
    WAIVER_WITHDRAWN = "waiver.withdrawn"  # SecOps no longer does
    REBUILT = "state.rebuilt"  # the image's records were lost, and derived again
    FACTORY_PAUSED = "factory.paused"  # SecOps paused the factory: no container group is created
    FACTORY_RESUMED = "factory.resumed"  # SecOps ended the pause, and everything goes on


# What happened to the factory as a whole is in a journal under this name, which no image may have.
FACTORY_ITSELF = ImageName("imagefactory")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line of an image's journal; `key` sorts by time and is unique.

    `actor` is the name for people. `identity` says who it was; None for a part of the factory, and in older lines.
    """

    key: str
    image: ImageName
    at: datetime
    event: Event
    actor: str
    build: BuildId | None = None
    version: str | None = None
    reasons: tuple[str, ...] = ()
    detail: str = ""
    campaign: str | None = None
    identity: str | None = None


def entry_key(at: datetime, nonce: str) -> str:
    """Sorts by time; `nonce` keeps two entries of one moment apart."""
    return f"{at:%Y%m%dT%H%M%S%f}-{nonce}"


def standing_key(at: datetime, subject: str) -> str:
    """The same key at every call: a state that lasts since `at` is recorded once, however often it is seen."""
    return entry_key(at, hashlib.sha256(subject.encode()).hexdigest()[:16])
