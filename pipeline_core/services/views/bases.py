"""What a team may build on: SecOps' images, its own, and those of other teams that SecOps approved it for."""

from dataclasses import dataclass
from datetime import date

from pipeline_core.domain import approvals
from pipeline_core.domain.approvals import Approval, ApprovalState
from pipeline_core.domain.images import ImageHead
from pipeline_core.domain.names import ImageName, TeamName
from pipeline_core.domain.versions import GalleryVersion
from pipeline_core.ports import Clock
from pipeline_core.state.stores import Records

PAGE_LIMIT = 200  # images that one page looks at


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseView:
    """One image that the team may build on. `until` is the last day of its approval, None without an end.

    `version` is None while no version of it is live. `is_approved` is true where SecOps approved another team's image.
    """

    name: ImageName
    team: TeamName
    parent: ImageName | None
    version: GalleryVersion | None
    is_approved: bool
    until: date | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BasePage:
    """A page of them by name. `next` is the cursor of the next page, None at the end."""

    bases: tuple[BaseView, ...]
    next: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Bases:
    """Reads the fleet's copies. Every reader may ask for every team, because every reader sees all images."""

    records: Records
    clock: Clock
    secops: TeamName

    def page(self, team: TeamName, *, after: str = "", limit: int = PAGE_LIMIT) -> BasePage:
        """What is among the next `limit` images of the fleet. A page may be empty: continue with `next`.

        Costs two reads, and one more for each 1,000 approvals of the team.
        """
        fleet = self.records.index.fleet(after=after, limit=min(limit, PAGE_LIMIT))
        approved = self.records.approvals.of_team(team)
        today = self.clock.now().date()
        found = [self._view(head, team, approved.get(head.name), today) for head in fleet.heads]
        return BasePage(bases=tuple(each for each in found if each is not None), next=fleet.after)

    def _view(
        self, head: ImageHead, team: TeamName, approval: Approval | None, today: date
    ) -> BaseView | None:
        owner = head.registration.team
        is_needed = approvals.is_needed(team, owner, self.secops)
        if is_needed and approvals.state_of(approval, owner, today) is not ApprovalState.APPROVED:
            return None
        return BaseView(
            name=head.name,
            team=owner,
            parent=head.registration.parent,
            version=None if head.current is None else head.current.version,
            is_approved=is_needed,
            until=approval.until if is_needed and approval is not None else None,
        )
