"""After an outage, an image whose rows cannot be read keeps no other image waiting."""

from datetime import timedelta

import pytest

from pipeline_core.domain.errors import ErrorClass
from pipeline_core.wire.messages import DISPATCH_REQUESTS
from tests.simulation import outages
from tests.simulation.outages import Outage
from tests.unit.services import scenes, unreadable_rows

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


@pytest.mark.parametrize("kind", ["claim", "build"])
def test_a_row_that_cannot_be_read_stops_no_other_image(kind: str) -> None:
    outage = Outage(report=ErrorClass.MIRROR)
    made = outages.make(outage, slots=3)
    for number in range(6):
        made.register(f"image-{number}", None)
    outage.until = made.ports.clock.now() + 40 * MINUTE
    made.run_until(outage.until - MINUTE)
    (breaker,) = made.factory.retries.list()
    harmed = next(iter(made.base.records.breakers.harmed(breaker.key, page=1))).value
    build = scenes.stored(made, harmed.build).value
    key = f"build:{build.id}" if kind == "build" else f"claim:{build.fingerprint}"
    row = unreadable_rows.make_unreadable(made, "images", str(build.image), key)
    made.run_until(outage.until + 3 * HOUR)
    assert outages.current(made) == 5
    assert not scenes.logged(made, "message-ended-at-unreadable-row", queue=DISPATCH_REQUESTS)
    assert [stored.value.is_drained for stored in made.base.records.breakers.list()] == [False]
    unreadable_rows.put(made, "images", row)
    made.run_until(outage.until + 5 * HOUR)
    assert outages.current(made) == 6
    assert made.poisoned == []
