"""Whose turn it is to be in `latest`: asked before a built version is let in, and after its build has ended.

A build that has waited for its container is asked about before it gets one, so that none runs for a version that would
have no turn. This module ends no build and moves no pointer.
"""

from dataclasses import dataclass

from pipeline_core.domain.attempts import BUILD_TAG
from pipeline_core.domain.builds import Build, Result
from pipeline_core.domain.errors import ErrorClass, FactoryError, NotProven, PermanentError
from pipeline_core.domain.images import ImageHead
from pipeline_core.domain.names import Digest
from pipeline_core.domain.verdicts import Verdict
from pipeline_core.domain.version_records import Standing, VersionRecord, change
from pipeline_core.domain.wanted import Answer, Wish
from pipeline_core.ports import Galleries, GalleryImageVersion, TableWrite
from pipeline_core.services.effects import latest
from pipeline_core.services.effects.effects import Effects
from pipeline_core.services.effects.journal import FACTORY
from pipeline_core.services.images.wishes import Wishes
from pipeline_core.services.provenance.provenance import Provenance
from pipeline_core.services.versions.lost_parents import LostParents
from pipeline_core.state.galleries.versions import put_version
from pipeline_core.state.records import Stored
from pipeline_core.state.stores import Records
from pipeline_core.wire.report import BuildReport


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """The head of this moment, and whether the build's input is still wanted."""

    head: Stored[ImageHead]
    answer: Answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Turns:
    """Rules 7 and 13 of the engine."""

    records: Records
    galleries: Galleries
    marks: latest.Marks
    wishes: Wishes
    provenance: Provenance
    parents: LostParents
    effects: Effects

    def prove(self, build: Build, verdicts: tuple[Verdict, ...], report: BuildReport) -> Digest:
        """Sign and store the statement about a build that has passed its gates; its digest."""
        return self.provenance.store(build, verdicts, report)

    def demand_proof(self, build: Build) -> None:
        """Raise NotProven unless the signed statement of the build is stored and holds."""
        self.provenance.demand(build)

    def demand(self, build: Build, live: GalleryImageVersion) -> Turn:
        """The turn of a build's version. Raises PermanentError unless the build is the active one of its image, its
        version is above the current one, and its statement still holds: replication may have taken hours."""
        stored = self.records.images.get_head(build.image)
        head = stored.value
        if head.active is None or head.active.build != build.id:
            raise PermanentError(ErrorClass.CONFLICT, f"build {build.id} is no longer the active one")
        if head.current is not None and live.version <= head.current.version:
            raise PermanentError(
                ErrorClass.CONFLICT, f"{live.version} is not above the current {head.current.version}"
            )
        answer = self._judge(build, stored)
        if answer.wish.is_wanted:
            self._examine(build, live)
        return Turn(head=stored, answer=answer)

    def find_unwanted(self, build: Build) -> Turn | None:
        """The answer about a build that nobody wants any more; None where it is wanted, or where that is not known.

        A look that cannot be made fails and delays no build: the same question comes before `latest`. Costs three point
        reads, and for a build that was overtaken one or two more and a GET.
        """
        try:
            stored = self.records.images.get_head(build.image)
            answer = self._judge(build, stored)
        except FactoryError as error:
            self.effects.logs.note(
                "wish-unknown", image=str(build.image), build_id=str(build.id), error=str(error)[:1000]
            )
            return None
        return None if answer.wish.is_wanted else Turn(head=stored, answer=answer)

    def _examine(self, build: Build, live: GalleryImageVersion) -> None:
        """Sign what the gallery shows of the version, once. Raises NotProven where the version is not proven: it is of
        this version alone where the build itself is proven."""
        try:
            self.provenance.attest(live)
        except NotProven as error:
            self.provenance.demand(build)
            raise NotProven(str(error), is_of_version=True) from error

    def _judge(self, build: Build, head: Stored[ImageHead]) -> Answer:
        """Whether the build is wanted. One that is asked for has the parent's current version, which looks follow."""
        answer = self.wishes.judge(build, head)
        if answer.wish is Wish.ASKED or not answer.wish.is_wanted:
            return answer
        lost = self.parents.find(build)
        return Answer(wish=Wish.WITHDRAWN, why=lost) if lost else answer

    def keep_out(self, live: GalleryImageVersion, why: str) -> TableWrite:
        """Make sure that the version is out of `latest`, and record it as a spare one of ours.

        Gives the write of its record, for the transaction that ends its build. Raises TransientError until the
        gallery shows it. The record of its publication is written here too: a reuse demands it.
        """
        try:
            self.provenance.attest(live)
        except NotProven as error:  # nobody uses it then, and the build has nothing to fail for
            self.effects.logs.note("spare-unproven", image=str(live.image), error=str(error)[:1000])
        latest.settle(self.galleries, live, excluded=True)
        stored = self.records.versions.find(live.image, live.version)
        record = VersionRecord(image=live.image, version=live.version) if stored is None else stored.value
        spare = change(record, Standing.SPARE, self.effects.clock.now(), actor=FACTORY, reason=why)
        return put_version(spare, etag=None if stored is None else stored.etag)

    def take_back(self, ended: Build) -> None:
        """Take the version of an ended build out of `latest`, if the image has gone back since or never wanted it.

        A slow handler may let a version in too late: another handler has ended the build, and a person has gone
        back to an older version. Raises TransientError until the gallery shows it.
        """
        head, version = self.records.images.find_head(ended.image), ended.version
        current = None if head is None else head.value.current
        if version is None or (current is not None and current.version >= version):
            return
        if current is None and ended.result is not Result.WITHDRAWN:
            return
        live = self.galleries.find_version(ended.gallery, ended.image, version)
        if live is not None and is_of(live, ended):
            self.marks.settle(live, excluded=True)


def is_of(live: GalleryImageVersion, build: Build) -> bool:
    """True where the version's tags name the build."""
    return live.tags.get(BUILD_TAG) == str(build.id)
