"""After an outage: what a closed breaker has held back, or harmed, is looked at again, a slice at a time."""

import contextlib
from dataclasses import dataclass, replace

from pipeline_core.domain.claims import Outcome
from pipeline_core.domain.errors import Contended, StaleWrite, UnreadableRow
from pipeline_core.domain.platform_breaker import PlatformBreaker
from pipeline_core.services.effects.effects import Effects
from pipeline_core.state import images as records
from pipeline_core.state.outages.breakers import HarmedBuild
from pipeline_core.state.stores import Records

_SLICE = 45  # builds and images that one pass looks at again


@dataclass(frozen=True, slots=True, kw_only=True)
class Aftermath:
    """It starts no build: it asks for slots and for looks at images. Every method is safe to repeat."""

    records: Records
    effects: Effects

    def drain(self, breaker: PlatformBreaker) -> None:
        """Look at one slice of what was held back again; the next message handles the rest.

        An image whose build or claim cannot be read stays for a later pass, and the others do not wait for it.
        """
        held = self.records.index.held(breaker.key, limit=_SLICE)
        for row in held:
            self.records.index.let_go(breaker.key, row)
        looked, left = self._look_at_harmed(breaker)
        if held or looked:
            self.effects.outbox.dispatch("outage-over")
        elif not left:
            with contextlib.suppress(Contended):
                self.records.breakers.change(
                    breaker, lambda found: found if found.is_open else replace(found, is_drained=True)
                )

    def look_again(self, harmed: HarmedBuild) -> None:
        """End the cool-down of the build's input, and look at its image.

        Raises UnreadableRow: then the cool-down has not ended, and nothing is asked for.
        """
        stored = self.records.images.find_build(harmed.build)
        if stored is None:
            return
        build = stored.value
        claim = self.records.images.find_claim(build.image, build.fingerprint)
        if claim is not None and claim.value.build == build.id and claim.value.outcome is Outcome.EXHAUSTED:
            rested = replace(claim.value, ended_at=None)
            self.effects.projection.forget_claim(build.image)
            with contextlib.suppress(StaleWrite):
                self.records.images.commit([records.put_claim(rested, etag=claim.etag)])
        self.effects.outbox.rebuild(build.image, "outage-over", build.campaign)

    def _look_at_harmed(self, breaker: PlatformBreaker) -> tuple[int, int]:
        """How many images were looked at again, a slice at most, and how many before them could not be read."""
        looked, left = 0, 0
        for each in self.records.breakers.harmed(breaker.key, page=_SLICE):
            try:
                self.look_again(each.value)
            except UnreadableRow:
                left += 1
                continue
            self.records.breakers.forget_harmed(breaker.key, each)
            looked += 1
            if looked == _SLICE:
                break
        return looked, left
