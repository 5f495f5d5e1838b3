"""The twin of the retries: one platform breaker is open."""

from dataclasses import dataclass, field

from pipeline_core.domain import access
from pipeline_core.domain.access_table import ApiOperation
from pipeline_core.domain.errors import ErrorClass, ErrorScope, ScopeKind
from pipeline_core.domain.platform_breaker import PlatformBreaker
from pipeline_core.ports import Principal
from pipeline_core.services.outages.retries import RetryAnswer
from tests.unit.triggers import views

BREAKER = PlatformBreaker(
    error_class=ErrorClass.REGISTRY,
    scope=ErrorScope(kind=ScopeKind.REGION, name="westeurope"),
    opened_at=views.NOW,
    next_probe=views.NOW,
    message="InaccessibleImage",
)


@dataclass(slots=True, kw_only=True)
class Retries:
    """One platform breaker is open."""

    retried: list[tuple[ErrorClass, str]] = field(default_factory=list)

    def list(self) -> tuple[PlatformBreaker, ...]:
        return (BREAKER,)

    def retry(self, error_class: ErrorClass, principal: Principal, *, after: str = "") -> RetryAnswer:
        access.demand(ApiOperation.RETRY, principal)
        self.retried.append((error_class, after))
        closed = (str(BREAKER.scope),) if error_class is BREAKER.error_class else ()
        return RetryAnswer(closed=closed, images=("payments-api",), next=None)
