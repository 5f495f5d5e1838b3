"""What a build that stops has left behind: its container groups, its versions in quarantine, its live copy.

Removes them, one look at a time. Decides about no build, and touches nothing whose tags name another one.
"""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass

from pipeline_core.deployment import Deployment
from pipeline_core.domain import attempts
from pipeline_core.domain.builds import Build, Phase
from pipeline_core.domain.errors import NotFound, PermanentError
from pipeline_core.ports import Containers, Galleries, GalleryImageVersion, Logs, VersionState


@dataclass(frozen=True, slots=True, kw_only=True)
class Leftovers:
    """One look costs a call per container group of the stage, two for the quarantine, one for the live copy."""

    containers: Containers
    galleries: Galleries
    deployment: Deployment
    logs: Logs

    def remain(self, build: Build) -> bool:
        """True where something is there that `clear` would remove. Changes nothing."""
        if self._groups(build):
            return True
        try:
            return any(self._versions(build))
        except PermanentError as error:
            self._tell(build, error)
            return False

    def clear(self, build: Build) -> bool:
        """Ask for the removal of what is there; True when a look finds nothing left.

        Only for a build whose row says that it stops: to another handler, a row that was read too early
        would be the licence to delete what the build has published since. An error about a container
        group is raised, because the slot stays taken until the group is gone; a version that may not be
        deleted is told of and left, because a missing right must not keep an image busy for ever.
        """
        if not build.is_stopping:
            raise ValueError(f"build {build.id} has not been told to stop: nothing of it may be removed")
        groups = self._groups(build)
        for group in groups:
            self.containers.delete_group(group)
        if groups:
            return False  # a container that still runs may make the version that is not there yet
        try:
            return self._clear_versions(build)
        except PermanentError as error:
            self._tell(build, error)
            return True

    def _groups(self, build: Build) -> Sequence[str]:
        """Names of the groups that are there; before a build was published its groups were seen to be gone."""
        if not build.phase.has_container:
            return ()
        names = [attempts.group_of(build)]
        if build.phase is Phase.VERIFYING:
            names.append(attempts.build_group_of(build))
        return [name for name in names if self.containers.find_group(name) is not None]

    def _versions(self, build: Build) -> tuple[Sequence[GalleryImageVersion], GalleryImageVersion | None]:
        """Versions in quarantine, also of earlier attempts, and the live copy, in this order.

        The quarantine first: once it is empty no copy can begin, so that a live copy that a slow handler
        began is seen by the look that follows.
        """
        quarantined = self._quarantined(build)
        if build.phase is not Phase.PUBLISHING or build.version is None:
            return quarantined, None
        live = self.galleries.find_version(build.gallery, build.image, build.version)
        return quarantined, live if live is not None and _names(live, build) else None

    def _quarantined(self, build: Build) -> Sequence[GalleryImageVersion]:
        if build.version is None:
            return ()
        listed = self.galleries.list_versions(self.deployment.quarantine, build.image)
        found = {each.version: each for each in listed if _names(each, build)}
        # By its number too: lists may lag, and a number is allotted to one attempt only.
        own = self.galleries.find_version(self.deployment.quarantine, build.image, build.version)
        if own is not None and (attempts.BUILD_TAG not in own.tags or _names(own, build)):
            found[own.version] = own
        return list(found.values())

    def _clear_versions(self, build: Build) -> bool:
        quarantined, live = self._versions(build)
        if live is not None:
            self._remove_live(live)
            return False  # the copy before its source
        for version in quarantined:
            if version.state is not VersionState.DELETING:
                self.galleries.begin_delete(version.gallery, version.image, version.version)
        return not quarantined

    def _remove_live(self, live: GalleryImageVersion) -> None:
        """Out of `latest` first, and deleted by the next look: nobody starts a machine from it in between."""
        if live.state is VersionState.DELETING:
            return
        if live.excluded_from_latest:
            self.galleries.begin_delete(live.gallery, live.image, live.version)
            return
        with contextlib.suppress(NotFound):
            self.galleries.set_excluded(live.gallery, live.image, live.version, excluded=True)

    def _tell(self, build: Build, error: PermanentError) -> None:
        self.logs.note("left-behind", image=str(build.image), build_id=str(build.id), error=str(error))


def _names(version: GalleryImageVersion, build: Build) -> bool:
    return version.tags.get(attempts.BUILD_TAG) == str(build.id)
