"""SecOps puts policies in force, raises and lowers their floors, and sometimes demands what no image reaches."""

from typing import ClassVar

from pipeline_core.services.policies.policy import etag_of
from simulation import fleet
from simulation.chapters.chapter import Chapter, Happening
from simulation.world import ADMIN

_COMPLIANCE = {"profile": "cis_server_l1", "ratchet": 0}
_SPEC = {
    "sources": [fleet.SOURCE, fleet.SECOND],
    "regions": ["westeurope"],
}


class PolicyChanges(Chapter):
    """A severity that always fails fails whatever is built meanwhile: the simulated scans find it. It is taken back."""

    name: ClassVar[str] = "policies"
    rate: ClassVar[float] = 0.2
    needs_sweep: ClassVar[bool] = True  # no event says that a floor has fallen

    def happenings(self) -> list[Happening]:
        """Mostly floors that everything reaches."""
        return [(3, self._reachable), (1, self._out_of_reach)]

    def end(self) -> None:
        """SecOps takes back what no image reaches."""
        if self.world.base.records.policies.find_current() is not None:
            self._reachable()

    def _reachable(self) -> None:
        self._set(self.chance.choice((60, 80, 90)), "high")

    def _out_of_reach(self) -> None:
        self._set(80, "medium")

    def _set(self, score: int, severity: str) -> None:
        spec = {**_SPEC, "compliance": {**_COMPLIANCE, "minScore": score, "alwaysFail": [severity]}}
        document = {"apiVersion": "imagefactory/v1", "kind": "Policy", "spec": spec}

        def put() -> None:
            stored = self.world.base.records.policies.find_current()
            self.world.factory.policy.put(
                document,
                ADMIN,
                expected=None if stored is None else etag_of(stored.value),
                create_only=stored is None,
            )

        self.story.insist(put)
