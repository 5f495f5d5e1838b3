"""What `latest` of a gallery means: a mark is written, read back, and believed when the platform has finished.

This module decides about no version. It waits for nothing: who calls comes again.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from pipeline_core.domain.errors import ErrorClass, LatestRefused, NotFound, PermanentError, TransientError
from pipeline_core.ports import Galleries, GalleryImageVersion, VersionState

_SOON = timedelta(seconds=10)
_LATEST = timedelta(minutes=10)


def may_be_in(live: GalleryImageVersion) -> bool:
    """True where at least one mark does not keep the version out of `latest`."""
    return live.is_divided or not live.excluded_from_latest


def is_settled(live: GalleryImageVersion, *, excluded: bool) -> bool:
    """True where every mark says `excluded` and the platform has finished with the version."""
    return live.state is VersionState.READY and not live.is_divided and live.excluded_from_latest is excluded


def settle(
    galleries: Galleries,
    live: GalleryImageVersion,
    *,
    excluded: bool,
    age: timedelta | None = None,
    accepted: Callable[[GalleryImageVersion], object] | None = None,
) -> None:
    """Make sure that a version is in `latest`, or out of it. `live` is what the last look has shown.

    `age` is how long the caller has tried for: the next look comes after a quarter of it, in 10 seconds to 10 minutes.
    `accepted` is called when the platform has accepted a change.

    At most one change and one look. Raises TransientError (CONFLICT) until a look shows the mark on the version and
    on each region, and the end of the change; then the caller repeats its work. A change that failed is made again.
    """
    if live.state is VersionState.FAILED:
        # A list does not distinguish a copy that failed from a change that failed.
        live = galleries.find_version(live.gallery, live.image, live.version) or live
    if is_settled(live, excluded=excluded) or (excluded and _was_never_in(live)):
        return
    if live.state is not VersionState.UPDATING:
        galleries.set_excluded(live.gallery, live.image, live.version, excluded=excluded)
        if accepted is not None:
            accepted(live)
    place, where = f"{live.image}@{live.version}", "out of" if excluded else "in"
    found = galleries.find_version(live.gallery, live.image, live.version)
    if found is None:
        raise NotFound(f"{place} is not in {live.gallery}")
    if is_settled(found, excluded=excluded):
        return
    failed = next((each for each in (found, live) if each.state is VersionState.UPDATE_FAILED), None)
    if failed is not None:
        why = failed.detail or "no reason was given"
        text = (
            f"the platform could not put {place} {where} latest of {live.gallery}; it is tried again: {why}"
        )
    else:
        text = f"{place} is not {where} latest of {live.gallery} yet ({found.state.value}); it is looked at again"
    raise TransientError(ErrorClass.CONFLICT, text, retry_after=_later(age))


class Answers(Protocol):
    """What the platform answers to changes of `latest` that no build asks for."""

    def refused(self, live: GalleryImageVersion, error: PermanentError) -> timedelta:
        """Count a refusal. Gives the time until the next try is worth it."""
        ...

    def accepted(self, live: GalleryImageVersion) -> None:
        """Note that a change was accepted."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Marks:
    """Changes of `latest` outside a build. A build does it with `settle`: its own tries decide about a refusal.

    No refusal is permanent here, whatever its class: nobody would try again, and no message is at fault.
    """

    galleries: Galleries
    answers: Answers

    def settle(self, live: GalleryImageVersion, *, excluded: bool, age: timedelta | None = None) -> None:
        """As `settle`. Raises LatestRefused where the platform refuses."""
        try:
            settle(self.galleries, live, excluded=excluded, age=age, accepted=self.answers.accepted)
        except PermanentError as error:
            raise self._refused(live, error, excluded=excluded) from error

    def take_out(self, live: GalleryImageVersion) -> None:
        """Begin to take a version out of `latest`, without a look. Raises LatestRefused, and other TransientErrors."""
        try:
            self.galleries.set_excluded(live.gallery, live.image, live.version, excluded=True)
        except PermanentError as error:
            raise self._refused(live, error, excluded=True) from error
        self.answers.accepted(live)

    def _refused(self, live: GalleryImageVersion, error: PermanentError, *, excluded: bool) -> TransientError:
        """The error to raise instead. That the version is gone is not a refusal: the next look sees that it is."""
        if isinstance(error, NotFound):
            return TransientError(ErrorClass.CONFLICT, f"{error}; it is looked at again")
        deed = "taken out of" if excluded else "put into"
        text = f"{live.image}@{live.version} could not be {deed} latest of {live.gallery}; it is tried again: {error}"
        wait = self.answers.refused(live, error)
        return LatestRefused(error.error_class, text, retry_after=wait, scope=error.scope)


def _later(age: timedelta | None) -> timedelta:
    return _SOON if age is None else min(max(_SOON, age / 4), _LATEST)


def _was_never_in(live: GalleryImageVersion) -> bool:
    """True for a version that was made out of `latest` and is not whole, or is being deleted."""
    is_partial = live.state in (VersionState.CREATING, VersionState.FAILED, VersionState.DELETING)
    return is_partial and not may_be_in(live)
