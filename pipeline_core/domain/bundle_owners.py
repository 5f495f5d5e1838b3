"""Which teams may register an image with a bundle. Pure; deny by default.

A digest is not a secret: it stands in answers and tags. Only an upload proves that a team has the content, and so
makes it an owner. SecOps share a bundle with other teams.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from pipeline_core.domain import access
from pipeline_core.domain.access import ProvenCaller
from pipeline_core.domain.access_table import ApiOperation
from pipeline_core.domain.errors import ErrorClass, PermanentError
from pipeline_core.domain.names import Digest, TeamName


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleRecord:
    """One stored bundle: the teams that have uploaded it or got it from SecOps, and when that happened last."""

    digest: Digest
    owners: tuple[TeamName, ...]
    touched_at: datetime

    def adding(self, teams: Iterable[TeamName], now: datetime) -> "BundleRecord":
        """The record with more owners."""
        owners = sorted({*self.owners, *teams}, key=str)
        return replace(self, owners=tuple(owners), touched_at=now)


def demand_bundle(
    digest: Digest,
    record: BundleRecord | None,
    team: TeamName,
    caller: ProvenCaller,
    *,
    uses_it: bool,
) -> None:
    """Raise PermanentError (PERMISSION) unless `team` may use the bundle.

    `uses_it`: an image of the team is registered with it already. That is all that is known of a bundle which an older
    release stored.
    """
    may_share = access.allows(ApiOperation.SHARE_BUNDLE, caller, access.FACTORY)
    if may_share or uses_it or (record is not None and team in record.owners):
        return
    raise PermanentError(
        ErrorClass.PERMISSION,
        f"team {team} has not uploaded the bundle {digest}: upload it (`imagefactory register` does), or ask SecOps to"
        f" share it with `imagefactory bundles share {digest} --to {team} --reason TEXT`",
    )
