"""Compare definitions and images with the policy: problems at registration, a condition of registered images.

A new policy rewrites no record of an image. Whether an image is below the policy is derived at each look.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from pipeline_core.domain import conditions, floors, waivers
from pipeline_core.domain.conditions import Condition
from pipeline_core.domain.definitions import ImageDefinition
from pipeline_core.domain.floors import Promises
from pipeline_core.domain.images import ImageHead, Registration
from pipeline_core.domain.names import ImageName
from pipeline_core.domain.policy import Policy
from pipeline_core.domain.sources import MarketplaceSource
from pipeline_core.services.effects.effects import Effects
from pipeline_core.services.policies.policy import Policies
from pipeline_core.services.policies.waivers import WaiverGrants
from pipeline_core.wire.problems import Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyRules:
    """Cost beyond the policy's row: the heads above an image, and these only if the policy has floors for bases."""

    policies: Policies
    effects: Effects
    waivers: WaiverGrants

    def policy(self) -> Policy:
        """The policy in force, as readers see it. Raises UnreadableRow."""
        return self.policies.seen()

    def demand_policy(self) -> Policy:
        """The policy in force, for a registration. Raises PermanentError (CONFLICT) where it is lost."""
        return self.policies.demand()

    def problems(self, definition: ImageDefinition, policy: Policy) -> Iterator[Problem]:
        """Everything in a definition that is below the floor of its base, the root of its lineage."""
        origin = definition.origin
        root = definition.name
        if policy.bases and not isinstance(origin, MarketplaceSource):
            root = self.policies.root_of(origin.image, {})
        found = floors.breaches(
            floors.promises_of(definition),
            origin=origin,
            catalog=definition.build.catalog,
            max_age=definition.rebuild.max_age or policy.longest_max_age,
            policy=policy,
            root=root,
            team=definition.team,
        )
        today = self.effects.clock.now().date()
        for breach in (*found, *waivers.refusals(definition, policy, today)):
            yield Problem(path=breach.path, message=breach.message, remedy=breach.remedy)

    def notes(self, definition: ImageDefinition, policy: Policy) -> tuple[str, ...]:
        """The waivers of a definition that do not count yet, each with the command that grants it."""
        return self.waivers.notes(definition, policy.waivers)

    def find_condition(
        self,
        head: ImageHead,
        policy: Policy,
        known: Mapping[ImageName, ImageHead],
        now: datetime,
        root: ImageName | None = None,
    ) -> Condition | None:
        """BelowFloor if the image, as registered or as live, is below the policy.

        Heads in `known` save reads. A given `root` of its lineage saves all of them.
        """
        if policy.revision == 0:
            return None
        registration = head.registration
        if root is None or not policy.bases:
            root = self.policies.root_of(head.name, known) if policy.bases else head.name
        found = [
            *floors.breaches(
                self._promises(registration),
                origin=registration.origin,
                catalog=registration.catalog,
                max_age=registration.max_age,
                policy=policy,
                root=root,
                team=registration.team,
            )
        ]
        if head.current is not None:
            version = str(head.current.version)
            found += floors.live_breaches(version, head.current.scan, policy=policy, root=root)
        return conditions.below_floor(found, policy, now)

    def _promises(self, registration: Registration) -> Promises:
        """The promises that the registration keeps, else those of its definition.

        The registration of an older release keeps none, nor does one with very many waivers.
        """
        if registration.promises is not None:
            return registration.promises
        return floors.promises_of(self.effects.documents.definition(registration.definition))
