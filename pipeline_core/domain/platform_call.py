"""What a build asks of the platform, as calls in the order of its life: where it failed, and how far it came. Pure."""

from enum import IntEnum, unique

from pipeline_core.domain.builds import Phase


@unique
class PlatformCall(IntEnum):
    """What a build asks of the platform, in the order of its life."""

    PREPARE = 1  # the factory's calls until the container group of `building` exists
    BEGIN = 2  # the group's container starts
    BUILD = 3  # what the builder does with Packer
    VERIFY_PREPARE = 4  # as above, for `verifying`
    VERIFY_BEGIN = 5
    VERIFY = 6
    PUBLISH = 7  # the factory's calls for the live version
    DONE = 8  # the version is published, or the gallery accepts what a build asks for its publication


_CALLS = {
    Phase.PENDING: (PlatformCall.PREPARE, PlatformCall.PREPARE, PlatformCall.PREPARE),
    Phase.BUILDING: (PlatformCall.PREPARE, PlatformCall.BEGIN, PlatformCall.BUILD),
    Phase.VERIFYING: (PlatformCall.VERIFY_PREPARE, PlatformCall.VERIFY_BEGIN, PlatformCall.VERIFY),
    Phase.PUBLISHING: (PlatformCall.PUBLISH, PlatformCall.PUBLISH, PlatformCall.PUBLISH),
    Phase.FINISHED: (PlatformCall.DONE, PlatformCall.DONE, PlatformCall.DONE),
}


def call_of(phase: Phase, *, has_group: bool = False, has_begun: bool = False) -> PlatformCall:
    """The call at which a build of this phase is. `has_begun` says that its container has started to run."""
    prepare, begin, work = _CALLS[phase]
    if has_begun:
        return work
    return begin if has_group else prepare
