"""Put new platform steps and a new catalog in force: what SecOps wraps round every build."""

from collections.abc import Mapping
from dataclasses import dataclass

from pipeline_core.domain import access
from pipeline_core.domain.errors import ErrorClass, PermanentError
from pipeline_core.domain.names import Digest
from pipeline_core.domain.staleness import Platform
from pipeline_core.guard import catalog as guard
from pipeline_core.ports import Blobs, Logs, Principal
from pipeline_core.state.sources import SourceStore
from pipeline_core.wire.problems import InvalidDocument, Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Platforms:
    """Every image becomes stale by a change; the sweep finds them, roots first."""

    sources: SourceStore
    blobs: Blobs
    logs: Logs

    def put(self, bundle: Digest, catalog: Mapping[str, object], principal: Principal) -> Platform:
        """Raises InvalidDocument with every problem, and PermanentError (PERMISSION)."""
        if not access.is_admin(principal.roles):
            raise PermanentError(
                ErrorClass.PERMISSION, "only SecOps (Factory.Admin) changes the platform steps"
            )
        problems = [finding.as_problem() for finding in guard.check_catalog(catalog)]
        if self.blobs.find_facts("bundles", f"{bundle}.tar.gz") is None:
            problems.append(
                Problem(
                    path="bundle",
                    message=f"the bundle {bundle} was not uploaded",
                    remedy="PUT it to /api/bundles/{sha256} first",
                )
            )
        if problems:
            raise InvalidDocument(problems)
        entries = guard.entries_of(catalog)
        platform = Platform(
            digest=bundle,
            catalog={entry.id: (entry.id, entry.version, entry.sha256) for entry in entries},
            urls={entry.id: entry.url for entry in entries},
        )
        self.sources.save_platform(platform)
        self.logs.note("platform-changed", digest=str(bundle), actor=principal.subject)
        return platform
