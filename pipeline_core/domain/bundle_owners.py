"""Which teams may register an image with a bundle, and when a bundle is unused. Pure; deny by default.

A digest is not a secret: it stands in answers and tags. Only an upload proves that a team has the content, and so
makes it an owner. SecOps share a bundle with other teams.

A bundle in use is touched every 10 days, so one that was not touched for 40 days has not been used for 30 days.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from pipeline_core.domain import access
from pipeline_core.domain.access import ProvenCaller
from pipeline_core.domain.access_table import ApiOperation
from pipeline_core.domain.errors import ErrorClass, PermanentError
from pipeline_core.domain.names import Digest, TeamName

UNUSED = timedelta(days=30)  # for so long a bundle stays that nobody uses
_REFRESH = timedelta(
    days=10
)  # the record of a bundle in use is never older than this and one round of the timer


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleRecord:
    """One stored bundle: the teams that have uploaded it or got it from SecOps, and when it was last known in use.

    `doomed` is the ETag of a content that is being removed, else empty. While it is set, no image may be registered
    with the bundle, and only an upload, which brings the content again, makes it usable.
    """

    digest: Digest
    owners: tuple[TeamName, ...]
    touched_at: datetime
    doomed: str = ""

    def adding(self, teams: Iterable[TeamName], now: datetime) -> "BundleRecord":
        """The record with more owners."""
        owners = sorted({*self.owners, *teams}, key=str)
        return replace(self, owners=tuple(owners), touched_at=now)

    def dooming(self, etag: str) -> "BundleRecord":
        """The record while the content with this ETag is removed."""
        return replace(self, doomed=etag)

    def is_stale(self, now: datetime) -> bool:
        """True where the record must be written before the bundle is relied on."""
        return bool(self.doomed) or now - self.touched_at >= _REFRESH

    def is_unused(self, now: datetime) -> bool:
        """True where nobody can have used the bundle for UNUSED."""
        return now - self.touched_at >= UNUSED + _REFRESH


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
