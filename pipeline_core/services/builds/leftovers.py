"""The leftovers of a build that stops: its container groups, its versions in quarantine, its live copy.

This module removes them, one look at a time. It decides about no build. It touches nothing whose tags name
another build.
"""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from pipeline_core.deployment import Deployment
from pipeline_core.domain import attempts
from pipeline_core.domain.builds import Build, Phase
from pipeline_core.domain.errors import NotFound, PermanentError
from pipeline_core.ports import Galleries, GalleryImageVersion, Logs, VersionState
from pipeline_core.services.builds.deletions import Deletions
from pipeline_core.services.effects import latest


@dataclass(frozen=True, slots=True, kw_only=True)
class Leftovers:
    """A look costs a call per container group of the stage. Without groups: two in quarantine, one at the live copy."""

    deletions: Deletions
    galleries: Galleries
    deployment: Deployment
    logs: Logs

    def remain(self, build: Build) -> bool:
        """True where something exists that `clear` would remove. Changes nothing."""
        if self.deletions.remain(build):
            return True
        try:
            return any(self._versions(build))
        except PermanentError as error:
            self._log(build, error)
            return False

    def clear(self, build: Build) -> timedelta | None:
        """Ask for the removal of all leftovers; None when a look finds nothing left.

        Else how long the next look is useless, as `Deletions.clear` says.

        Only for a build whose row says that it stops. Otherwise a handler with an old row could delete a
        version that the build has published since. An error about a container group is raised, because the
        slot stays in use until the group is gone. A version that the factory may not delete is logged and
        left, because a missing right must not block an image for ever.
        """
        if not build.is_stopping:
            raise ValueError(f"build {build.id} is not stopping: nothing of it may be removed")
        wait = self.deletions.clear(build)
        if wait is not None:
            return wait  # a container that still runs may make a version that does not exist yet
        try:
            return None if self._clear_versions(build) else timedelta(0)
        except PermanentError as error:
            self._log(build, error)
            return None

    def _versions(self, build: Build) -> tuple[Sequence[GalleryImageVersion], GalleryImageVersion | None]:
        """Versions in quarantine, also of earlier attempts, and the live copy, in this order.

        The quarantine comes first: once it is empty, no copy can begin. The look that follows then sees a live
        copy that a slow handler began.
        """
        quarantined = self._quarantined(build)
        if build.phase is not Phase.PUBLISHING or build.version is None:
            return quarantined, None
        live = self.galleries.find_version(build.gallery, build.image, build.version)
        return quarantined, live if live is not None and _names(live, build) else None

    def _quarantined(self, build: Build) -> Sequence[GalleryImageVersion]:
        if build.version is None:
            return ()
        gallery = self.deployment.quarantine_of(build.quarantine)
        listed = self.galleries.list_versions(gallery, build.image)
        found = {each.version: each for each in listed if _names(each, build)}
        # Look for its number too: lists may lag, and a number belongs to one attempt only.
        own = self.galleries.find_version(gallery, build.image, build.version)
        if own is not None and (attempts.BUILD_TAG not in own.tags or _names(own, build)):
            found[own.version] = own
        return list(found.values())

    def _clear_versions(self, build: Build) -> bool:
        quarantined, live = self._versions(build)
        if live is not None:
            self._remove_live(live)
            return False  # the copy goes before its source
        for version in quarantined:
            if version.state is not VersionState.DELETING:
                self.galleries.begin_delete(version.gallery, version.image, version.version)
        return not quarantined

    def _remove_live(self, live: GalleryImageVersion) -> None:
        """Take it out of `latest` first; the next look deletes it. So nobody starts a machine from it in between.

        A failed change does not keep it from being deleted. The row of the build, which says that it stops, is the
        intent (rule 7): it is written before, and as long as it stands the version can never become current, so nobody
        is held to have taken it out. A process that dies after the call leaves the deletion to the next step.
        """
        if live.state in (VersionState.DELETING, VersionState.UPDATING):
            return
        if not latest.may_be_in(live) or live.state is VersionState.UPDATE_FAILED:
            self.galleries.begin_delete(live.gallery, live.image, live.version)
            return
        with contextlib.suppress(NotFound):
            self.galleries.set_excluded(live.gallery, live.image, live.version, excluded=True)

    def _log(self, build: Build, error: PermanentError) -> None:
        self.logs.note("left-behind", image=str(build.image), build_id=str(build.id), error=str(error))


def _names(version: GalleryImageVersion, build: Build) -> bool:
    return version.tags.get(attempts.BUILD_TAG) == str(build.id)
