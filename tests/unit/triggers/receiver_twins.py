"""A twin of the service of receivers."""

from dataclasses import dataclass, field, replace
from datetime import datetime

from pipeline_core.domain import access
from pipeline_core.domain.access import Subject
from pipeline_core.domain.access_table import ApiOperation, SubjectKind
from pipeline_core.domain.errors import ErrorClass, NotFound, PermanentError
from pipeline_core.domain.names import ImageName, TeamName
from pipeline_core.domain.receivers import FleetReceiver, ReceiverId
from pipeline_core.ports import Principal
from pipeline_core.services.notify.receivers import DeadLetter, ReceiverPage, ReceiverView
from tests.unit.triggers import views

PAYMENTS = TeamName("payments")
RECEIVER = ReceiverView(
    id=ReceiverId.of("https://hooks.factory.corp/token", PAYMENTS),
    team=PAYMENTS,
    place="https://hooks.factory.corp",
    state="failing",
    waiting=2,
    given_up=1,
    has_secret=True,
    former_secret_until=None,
    failing_since=views.NOW,
    next_try=views.NOW,
    accepted_at=None,
    detail="it answered 500",
    dead_letters=(
        DeadLetter(
            sequence=1, image=ImageName("payments-api"), event="image.published", at=views.NOW, why="too old"
        ),
    ),
)


@dataclass
class Receivers:
    """One receiver of payments; SecOps may add its own."""

    asked: list[tuple[str, object]] = field(default_factory=list)
    fleet: FleetReceiver | None = None
    pages: list[tuple[ImageName | None, ReceiverId | None, int]] = field(default_factory=list)

    def page(self, image: ImageName | None, *, after: ReceiverId | None, limit: int) -> ReceiverPage:
        self.pages.append((image, after, limit))
        return ReceiverPage(receivers=(RECEIVER,), after=RECEIVER.id if after is None else None)

    def show(self, receiver: ReceiverId) -> ReceiverView:
        if receiver != RECEIVER.id:
            raise NotFound(f"there is no receiver {receiver}")
        return RECEIVER

    def rotate(self, receiver: ReceiverId, principal: Principal) -> str:
        self._demand(receiver, principal, "rotate", None)
        return "whsec_secret"

    def disable(self, receiver: ReceiverId, principal: Principal, reason: str) -> ReceiverView:
        return self._demand(receiver, principal, "disable", reason)

    def enable(self, receiver: ReceiverId, principal: Principal, *, replays: bool) -> ReceiverView:
        return self._demand(receiver, principal, "enable", replays)

    def replay(self, receiver: ReceiverId, principal: Principal, since: datetime | None) -> ReceiverView:
        return self._demand(receiver, principal, "replay", since)

    def test(self, receiver: ReceiverId, principal: Principal) -> tuple[bool, str]:
        self._demand(receiver, principal, "test", None)
        return False, "it answered 500"

    def add(self, receiver: FleetReceiver, principal: Principal, *, replaces: bool = False) -> ReceiverView:
        access.demand(ApiOperation.ADD_FLEET_RECEIVER, principal)
        if self.fleet not in (None, receiver) and not replaces:
            raise PermanentError(ErrorClass.CONFLICT, f"{receiver.id} wants something else already")
        self.fleet = receiver
        self.asked.append(("add", receiver))
        return replace(RECEIVER, id=receiver.id, team=None, fleet=receiver)

    def remove(self, receiver: ReceiverId, principal: Principal) -> None:
        access.demand(ApiOperation.REMOVE_FLEET_RECEIVER, principal)
        self.asked.append(("remove", receiver))

    def _demand(
        self, receiver: ReceiverId, principal: Principal, deed: str = "", given: object = None
    ) -> ReceiverView:
        subject = Subject(kind=SubjectKind.TEAM_IMAGE, name=str(receiver), team=PAYMENTS)
        access.demand(ApiOperation.ROTATE_SECRET, principal, subject)
        if receiver != RECEIVER.id:
            raise NotFound(f"there is no receiver {receiver}")
        if deed:
            self.asked.append((deed, given))
        return RECEIVER
