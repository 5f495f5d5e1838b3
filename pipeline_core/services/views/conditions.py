"""Conditions of an image that need more than its head: SecOps' floors and approvals, receivers of notifications."""

from dataclasses import dataclass

from pipeline_core.domain import conditions, registered_conditions
from pipeline_core.domain.conditions import Condition
from pipeline_core.domain.errors import PermanentError, UnreadableRow
from pipeline_core.domain.images import ImageHead
from pipeline_core.domain.names import ImageName
from pipeline_core.domain.policy import Policy
from pipeline_core.domain.staleness import World
from pipeline_core.ports import Clock
from pipeline_core.services.notify.receivers import Receivers
from pipeline_core.services.policies.approvals import Approvals
from pipeline_core.services.policies.floors import PolicyRules
from pipeline_core.services.policies.policy import Policies, PolicyDocumentLost
from pipeline_core.services.policies.waivers import WaiverGrants


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageConditions:
    """Reads the policy, definitions and feeds. Changes nothing."""

    policies: Policies
    floors: PolicyRules
    receivers: Receivers
    approvals: Approvals
    waivers: WaiverGrants
    clock: Clock

    def of_receivers(self, head: ImageHead) -> tuple[Condition, ...]:
        """What keeps the image's owners from being notified."""
        return self.receivers.conditions_of(head)

    def of_approval(self, head: ImageHead, world: World) -> tuple[Condition, ...]:
        """Whether the image's team may build on its parent. One read where it is another team's, else none."""
        parent = None if head.registration.parent is None else world.heads.get(head.registration.parent)
        if parent is None:
            return ()
        state, approval = self.approvals.state(parent, head.registration.team)
        return registered_conditions.of_approval(head, parent, state, approval, self.clock.now().date())

    def of_waivers(self, head: ImageHead, policy: Policy | Condition) -> tuple[Condition, ...]:
        """Waivers of the image that ended or end soon. One read where it asks for any, else none."""
        if isinstance(policy, Condition):
            return ()  # nobody knows which waivers count: this condition says so
        try:
            return self.waivers.conditions(head, policy.waivers)
        except PermanentError:
            return ()  # its definition cannot be read: other conditions say so

    def policy(self) -> Policy | Condition:
        """The policy in force; the condition of all images where nothing can be held against it."""
        try:
            return self.policies.seen()
        except UnreadableRow as error:
            return conditions.policy_unreadable(str(error), is_lost=isinstance(error, PolicyDocumentLost))

    def below(
        self, head: ImageHead, world: World, policy: Policy | Condition, root: ImageName | None = None
    ) -> tuple[Condition, ...]:
        """The image is below the floor of this policy, or nobody knows, because the policy cannot be read.

        A given `root` of its lineage saves the reads of its ancestors.
        """
        if isinstance(policy, Condition):
            return (policy,)
        try:
            found = self.floors.find_condition(head, policy, world.heads, self.clock.now(), root)
        except PermanentError:
            return ()  # its definition or an ancestor cannot be read: other conditions say so
        return () if found is None else (found,)
