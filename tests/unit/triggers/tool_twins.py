"""The files of tools as the routes see them: one that is admitted, and one that nobody has brought."""

from collections.abc import Sequence

from pipeline_core.domain import access
from pipeline_core.domain.access_table import ApiOperation
from pipeline_core.domain.names import Digest
from pipeline_core.domain.tools import ToolRecord, ToolState
from pipeline_core.ports import Principal
from pipeline_core.services.catalog.submissions import ToolEntry, UploadOffer
from tests.unit.domain.factories import NOW

ADMITTED = ToolRecord(
    sha256=Digest("a1" * 32), state=ToolState.ADMITTED, at=NOW, size=7, scanned_by="a scanner", by="user:1"
)
ADDRESS = "https://account.factory.corp/catalog-quarantine/x?sig=secret"


class Submissions:
    """SecOps only, but for the list."""

    def __init__(self) -> None:
        self.removed: list[tuple[str, str]] = []

    def list(self) -> Sequence[ToolEntry]:
        return [
            ToolEntry(sha256=ADMITTED.sha256, record=ADMITTED, named_by=("agent 1.0.0",)),
            ToolEntry(sha256=Digest("b2" * 32), record=None, named_by=("runtime 1.0.0",)),
        ]

    def offer(self, digest: Digest, principal: Principal) -> UploadOffer:
        access.demand(ApiOperation.SUBMIT_TOOL, principal)
        if digest == ADMITTED.sha256:
            return UploadOffer(record=ADMITTED)
        record = ToolRecord(sha256=digest, state=ToolState.REQUESTED, at=NOW)
        return UploadOffer(record=record, address=ADDRESS, until=NOW)

    def remove(self, digest: Digest, principal: Principal, reason: str) -> None:
        access.demand(ApiOperation.REMOVE_TOOL, principal)
        self.removed.append((str(digest), reason))
