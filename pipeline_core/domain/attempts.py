"""The facts about one attempt of a build that several programs share: tags, group names, blob names, one duration.

Each fact is written only here, and a test looks for a second copy. The names are stored in Azure: if a name changes,
the factory no longer knows the things that carry the old name. This module must not decide about an attempt.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from pipeline_core.domain.builds import Build, Phase
from pipeline_core.domain.names import BuildId

TAG_PREFIX = "imagefactory-"  # all our tags begin with it
BUILD_TAG = "imagefactory-build"  # the build's id
IMAGE_TAG = "imagefactory-image"  # the image's name
# On what an attempt creates in the build resource group.
LEASE_TAG = "imagefactory-lease"  # ISO 8601 with its offset from UTC
STAGE_TAG = "imagefactory-stage"  # `build` or `verify`
ATTEMPT_TAG = "imagefactory-attempt"  # counts the tries of the stage, from 1
# On a live version: what it was built from.
DEFINITION_TAG = "imagefactory-definition"  # digest of the definition
FINGERPRINT_TAG = "imagefactory-fingerprint"
ORIGIN_TAG = "imagefactory-origin"  # the exact source or parent version
PERIOD_TAG = "imagefactory-period"  # number of the refresh period
PLATFORM_TAG = "imagefactory-platform"  # digest of the platform steps
TOKEN_TAG = "imagefactory-token"  # noqa: S105 - the rebuild token, empty where there is none; not a secret
PROVENANCE_TAG = "imagefactory-provenance"  # the statement's digest: the only tag that it cannot cover

# Blobs in the attempt's folder of the container `builds`.
LAUNCH = "launched"  # begins the names of LAUNCHED and of the notes after it
LAUNCHED = "launched.json"  # its first writer creates the container group
WAITS = "waits-for-container.json"  # the group is there, and its container did not run at the first look
STARTED = "started.json"  # the builder writes it first: this attempt runs, and runs only once
NEVER_BEGAN = "never-began.json"  # the group was given up before its container ran
GIVEN_UP = "given-up.json"  # why the group was given up, in the platform's words
DELETION = "deletion-"  # and a number: the first writer asks for the deletion of the group
LOG = "log.txt"  # the builder appends to it as long as it runs
REPORT = "result.json"  # how the attempt ended
REFUSED = "refused.json"  # Azure refused a step of this attempt; its time is that of the first refusal
TROUBLED = (
    "troubled.json"  # a step of this attempt met an error that time can end; its time is that of the first
)
ORPHANED = "parent-not-found.json"  # the same where a parent was not found, because its bound is another one

# How long the creation of a container group may take, counted from LAUNCHED: the one call to Azure gives up after
# 5 s to connect and 30 s to read, and is not repeated. Two rules depend on it. After this time another handler may
# create the group: before, two creations would restart the container. After this time a cancelled build may end:
# before, its group might still appear.
CREATION = timedelta(seconds=45)
# What Packer may need after a definition's last step: 45 minutes to capture or to remove the machine, and where it
# makes a version 120 minutes until that is replicated (`polling_duration_timeout`, `shared_image_gallery_timeout` in
# the builder's template). The definition's `timeout` is for its steps. Builder, deadline and lease all add this.
AFTER_STEPS: Mapping[str, timedelta] = {"build": timedelta(minutes=165), "verify": timedelta(minutes=45)}


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptGroup:
    """A container group of a build: its name, and the folder of the attempt that it runs."""

    name: str
    folder: str


def launched(number: int) -> str:
    """The name of the note of a creation, from 1. The first writer of a number may create."""
    return LAUNCHED if number == 1 else f"{LAUNCH}-{number}.json"


def folder(build: BuildId | str, stage: str, attempt: int) -> str:
    """The prefix of everything that one attempt leaves in the container `builds`."""
    return f"{build}/{stage}-{attempt}"


def folder_of(build: Build) -> str:
    """The folder of the attempt that runs now; only in a phase with a container."""
    return folder(build.id, build.phase.stage, build.attempt)


def refusal_of(build: Build, kind: str = REFUSED) -> str:
    """The name of the note about the first refusal of a kind (REFUSED, ORPHANED, TROUBLED) in an attempt."""
    return f"{folder(build.id, build.phase.value, build.attempt)}/{kind}"


def group_of(build: Build) -> str:
    """The name of the attempt's container group. It is derived, so that a handler can look for the group."""
    return _group(build.id, build.phase.stage, build.attempt)


def groups_of(build: Build) -> tuple[AttemptGroup, ...]:
    """Every group that the build may still have. None outside of the phases with a container.

    The verify stage may begin while Azure still deletes the group of the build stage. So both belong to it.
    """
    if not build.phase.has_container:
        return ()
    stages = [(build.phase.stage, build.attempt)]
    if build.phase is Phase.VERIFYING:
        stages.append((Phase.BUILDING.stage, build.build_attempt))
    return tuple(group(build.id, stage, attempt) for stage, attempt in stages)


def group(build: BuildId, stage: str, attempt: int) -> AttemptGroup:
    """The container group of any attempt of a build."""
    return AttemptGroup(name=_group(build, stage, attempt), folder=folder(build, stage, attempt))


def managed_image_of(build: Build, attempt: int) -> str:
    """The name of the managed image that this attempt to build may make on its way to a version."""
    return _name("image", build.id, Phase.BUILDING.stage, attempt)


def _group(build: BuildId, stage: str, attempt: int) -> str:
    return _name(stage, build, stage, attempt)


def _name(kind: str, build: BuildId, stage: str, attempt: int) -> str:
    text = f"{build}/{stage}/{attempt}"
    return f"if-{kind}-{hashlib.sha256(text.encode()).hexdigest()[:24]}"
