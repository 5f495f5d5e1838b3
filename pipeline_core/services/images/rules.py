"""Check a definition against the stored state: bundle, catalog, parent, version, floor. All problems at once."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pipeline_core.domain import approvals
from pipeline_core.domain.definitions import ImageDefinition
from pipeline_core.domain.errors import NotFound
from pipeline_core.domain.floors import limit_of
from pipeline_core.domain.images import ImageHead
from pipeline_core.domain.journal import FACTORY_ITSELF
from pipeline_core.domain.names import LIVE, Digest, ImageName, TeamName
from pipeline_core.domain.policy import Policy
from pipeline_core.domain.sources import ParentReference
from pipeline_core.domain.versions import GalleryVersion
from pipeline_core.guard import bundles as guard
from pipeline_core.guard.findings import Finding
from pipeline_core.guard.secrets import Form
from pipeline_core.ports import Blobs
from pipeline_core.services.effects.documents import Documents
from pipeline_core.services.images.forest import Forest
from pipeline_core.services.images.marketplace import SourceFindings, SourceRules
from pipeline_core.services.policies.approvals import Approvals
from pipeline_core.services.policies.floors import PolicyRules
from pipeline_core.state.stores import Records
from pipeline_core.wire.bundle import COMPRESSED_LIMIT
from pipeline_core.wire.problems import Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistrationRules:
    """Reads the stores; writes nothing."""

    records: Records
    blobs: Blobs
    documents: Documents
    floors: PolicyRules
    approvals: Approvals
    forms: Sequence[Form]  # of secrets
    sources: SourceRules

    def demand_policy(self) -> Policy:
        """The policy in force. Raises PermanentError (CONFLICT) with the remedy where it is lost."""
        return self.floors.demand_policy()

    def problems(
        self, name: ImageName, definition: ImageDefinition, old: ImageHead | None, policy: Policy
    ) -> Iterator[Problem]:
        """Every problem that prevents the registration of `definition` as `name` in place of `old`."""
        if definition.name != name:
            yield Problem(
                path="metadata.name",
                message=f"is {str(definition.name)!r}, but the address says {str(name)!r}",
                remedy="register it under its own name",
            )
        if name == FACTORY_ITSELF and old is None:
            yield Problem(
                path="metadata.name",
                message=f"{name} is the name of the factory's own journal",
                remedy="choose another name",
            )
        yield from self._team_problems(definition, old, policy)
        yield from self._bundle_problems(definition)
        yield from self._catalog_problems(definition)
        if isinstance(definition.origin, ParentReference):
            yield from self._parent_problems(definition, definition.origin, old)
        yield from _version_problems(definition, self.last_version(name, old))
        yield from self.floors.problems(definition, policy)

    def notes(self, definition: ImageDefinition, policy: Policy) -> tuple[str, ...]:
        """For the person who registers: what does not count yet, and whom to ask."""
        return self.floors.notes(definition, policy)

    def look_at_azure(self, definition: ImageDefinition, old: ImageHead | None) -> SourceFindings:
        """What Azure says about the source and about the image definitions that exist."""
        return self.sources.look(definition, old)

    def findings(self, content: bytes) -> Sequence[Finding]:
        """The guard's findings in a bundle, for any image that is built from it."""
        return guard.check_bundle(content, self.forms)

    def last_version(self, name: ImageName, old: ImageHead | None) -> GalleryVersion | None:
        """The highest version that `name` ever had, also where the image was deleted and comes back."""
        if old is not None:
            return old.last_version
        former = self.records.images.find_former(name)
        versions = [build.version for build in self.records.images.builds(name)]
        versions.append(None if former is None else former.value.last_version)
        return max((version for version in versions if version is not None), default=None)

    def _team_problems(
        self, definition: ImageDefinition, old: ImageHead | None, policy: Policy
    ) -> Iterator[Problem]:
        """One image more than the team may have. Images that are registered at the same moment may all pass.

        It costs one read. Where the factory has as many images as one team may have, the fleet is read too.
        """
        team = definition.team
        if old is not None and old.registration.team == team:
            return
        most = policy.limits.of(team).images
        ledger = self.records.lineage.find_ledger()
        if ledger is not None and ledger.value.count is not None and ledger.value.count < most:
            return
        others = (head for head in self.records.index.heads() if head.name != definition.name)
        count = sum(1 for head in others if head.registration.team == team)
        if count >= most:
            yield Problem(
                path="metadata.team",
                message=f"{team} has {count} images, and {limit_of(policy, team)} allows {most}",
                remedy="delete an image that nobody uses, or ask SecOps to raise `limits.images` of the policy",
            )

    def _bundle_problems(self, definition: ImageDefinition) -> Iterator[Problem]:
        try:
            content = self.blobs.read("bundles", f"{definition.bundle}.tar.gz", limit=COMPRESSED_LIMIT)
        except NotFound:
            yield absent_bundle(definition.bundle)
            return
        for finding in guard.check_definition(definition, guard.names_in(content), self.forms):
            yield finding.as_problem()

    def _catalog_problems(self, definition: ImageDefinition) -> Iterator[Problem]:
        platform = self.records.sources.find_platform()
        known = {} if platform is None else platform.steps_of(definition.name).catalog
        for position, tool in enumerate(definition.build.catalog):
            if tool not in known:
                yield Problem(
                    path=f"spec.build.catalog[{position}]",
                    message=f"{tool!r} is not in the catalog",
                    remedy=f"use one of: {', '.join(sorted(known)) or 'none yet; ask SecOps to add it'}",
                )

    def _parent_problems(
        self, definition: ImageDefinition, origin: ParentReference, old: ImageHead | None
    ) -> Iterator[Problem]:
        if origin.channel != LIVE:
            yield Problem(
                path="spec.parent.channel",
                message=f"is {str(origin.channel)!r}, and this factory has no channel but {LIVE}",
                remedy=f"use {LIVE}, or leave the key out",
            )
        parent = self.records.images.find_head(origin.image)
        if parent is None:
            yield Problem(
                path="spec.parent.image",
                message=f"{str(origin.image)!r} is not registered",
                remedy="register the parent first, or name one that GET /api/images lists",
            )
            return
        yield from self._approval_problems(definition.team, parent.value, old)
        theirs = self.documents.definition(parent.value.registration.definition).os
        for what, own, other in (
            ("generation", definition.os.generation.value, theirs.generation.value),
            ("architecture", definition.os.architecture.value, theirs.architecture.value),
        ):
            if own != other:
                yield Problem(
                    path=f"spec.os.{what}",
                    message=f"is {own}, and the parent {origin.image} is {other}; no version of it could be captured",
                    remedy=f"use {other}, or another parent",
                )
        if old is not None and old.registration.parent == origin.image:
            return  # it stays where it stands
        # Asked again when the move begins, because others move images meanwhile; here, so that all problems are named.
        problem = Forest(records=self.records).find_problem(definition.name, origin.image)
        if problem is not None:
            yield problem

    def _approval_problems(
        self, team: TeamName, parent: ImageHead, old: ImageHead | None
    ) -> Iterator[Problem]:
        """A team may build on this parent. An image that stays where it stands goes on: it has a condition instead."""
        if old is not None and (old.registration.parent, old.registration.team) == (parent.name, team):
            return
        state, approval = self.approvals.state(parent, team)
        if state.is_good:
            return
        owner = parent.registration.team
        yield Problem(
            path="spec.parent.image",
            message=f"{parent.name} belongs to team {owner}, and team {team} may not build on it:"
            f" {approvals.why_not(state, approval)}",
            remedy=f"{approvals.who_helps(state, parent.name, team, owner)}, or use an image that"
            f" `imagefactory bases --team {team}` lists",
        )


def _version_problems(definition: ImageDefinition, last: GalleryVersion | None) -> Iterator[Problem]:
    if last is not None and definition.major < last.major:
        yield Problem(
            path="spec.version.major",
            message=f"is {definition.major}, but {last} was built already",
            remedy=f"use {last.major} or more: versions never go back",
        )


def absent_bundle(digest: Digest) -> Problem:
    """The refusal of a bundle whose content is not there, or is being removed."""
    return Problem(
        path="bundle",
        message=f"the bundle {digest} was not uploaded",
        remedy="PUT it to /api/bundles/{sha256} first; `imagefactory register` does",
    )
