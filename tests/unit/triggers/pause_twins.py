"""The twin of the pauses: the factory is paused where a test has put a pause into it."""

from dataclasses import dataclass, field

from pipeline_core.domain import access, pauses
from pipeline_core.domain.access_table import ApiOperation
from pipeline_core.domain.pauses import FactoryPause, PauseState
from pipeline_core.ports import Principal
from pipeline_core.services.outages.pauses import PauseView
from tests.unit.triggers import views

PAUSE = FactoryPause(
    revision=1, is_paused=True, reason="an <incident>", actor="Admin", at=views.NOW, settles_at=views.NOW
)


@dataclass(slots=True, kw_only=True)
class Pauses:
    """Nobody has ever paused the factory, until a test says so."""

    known: FactoryPause | None = None
    state: PauseState = PauseState.PAUSED
    asked: list[str] = field(default_factory=list)

    def show(self) -> PauseView:
        if self.known is None:
            return PauseView(state=PauseState.RUNNING, pause=None, text="")
        return PauseView(state=self.state, pause=self.known, text=pauses.text_of(self.known, views.NOW))

    def text(self) -> str:
        return self.show().text

    def pause(self, principal: Principal, reason: str) -> PauseView:
        access.demand(ApiOperation.PAUSE_FACTORY, principal)
        access.demand_reason(reason, "the factory's journal")
        self.asked.append(reason)
        self.known = PAUSE
        return self.show()

    def resume(self, principal: Principal, reason: str = "") -> PauseView:
        access.demand(ApiOperation.RESUME_FACTORY, principal)
        self.asked.append(reason)
        self.known = None
        return self.show()
