"""A release is seen by a poll and withdrawn before its build, with the timers of weeks (r08 of the first reviews).

Then come the changes that a withdrawn release held up: of the platform, by a person's request, of the definition.
"""

from collections.abc import Callable
from datetime import timedelta

import pytest

from pipeline_core.domain.builds import Result
from pipeline_core.domain.source_images import Deprecation, OfferState, SourceImage
from pipeline_core.domain.versions import MarketplaceVersion
from simulation import sabotage
from simulation.world import SOURCE, SimulatedWorld
from tests.simulation import outages
from tests.simulation.outages import Outage
from tests.unit.services import scenes
from tests.unit.services.scenes import ADMIN, BASE, JAVA

FIRST, NEXT = MarketplaceVersion.parse("9.6.2025112113"), MarketplaceVersion.parse(scenes.NEXT_RELEASE)
LATER = MarketplaceVersion.parse("9.9.2027010101")
HOURS, DAY = timedelta(hours=6), timedelta(days=1)

Withdrawal = Callable[[SimulatedWorld], None]


def _gone(made: SimulatedWorld) -> None:
    made.ports.marketplace.withdraw(SOURCE, NEXT)


def _deprecated(made: SimulatedWorld) -> None:
    """The list still names it: the second trap of the finding."""
    image = SourceImage(version=NEXT, deprecation=Deprecation(state=OfferState.DEPRECATED, at=None))
    made.ports.marketplace.describe(SOURCE, image)


def _run(made: SimulatedWorld, time: timedelta) -> None:
    made.run_until(made.ports.clock.now() + time)


def _built_from(made: SimulatedWorld) -> str:
    current = scenes.head(made, BASE).current
    return "" if current is None else str(current.inputs.origin).rpartition(":")[2]


def _platform(made: SimulatedWorld) -> None:
    scenes.set_platform(made, "hardened further")


def _request(made: SimulatedWorld) -> None:
    made.factory.requests.request(BASE, ADMIN, "a new agent", "key-1")


def _definition(made: SimulatedWorld) -> None:
    made.register("rhel9-base", None, text="another script")


def _world() -> SimulatedWorld:
    made = outages.make(Outage(), slots=20)
    made.register("rhel9-base", None)
    made.register("rhel9-java", "rhel9-base")
    _run(made, HOURS)
    return made


def _withdrawn(made: SimulatedWorld, withdraw: Withdrawal) -> None:
    made.publish_release(scenes.NEXT_RELEASE)
    made.factory.poller.poll()
    withdraw(made)
    _run(made, DAY)


@pytest.mark.parametrize("withdraw", [_gone, _deprecated])
@pytest.mark.parametrize("change", [_platform, _request, _definition])
def test_a_withdrawn_release_holds_up_no_other_change(
    withdraw: Withdrawal, change: Callable[[SimulatedWorld], None]
) -> None:
    made = _world()
    before = {name: len(scenes.builds(made, name)) for name in (BASE, JAVA)}
    _withdrawn(made, withdraw)
    assert (outages.current(made), _built_from(made)) == (2, str(FIRST))
    change(made)
    _run(made, DAY)
    assert (outages.current(made), _built_from(made)) == (2, str(FIRST))
    for name in (BASE, JAVA):
        newer = scenes.builds(made, name)[before[name] :]
        assert newer[-1].result is Result.SUCCEEDED
        assert scenes.head(made, name).breaker is None
    assert len(outages.hurt(made)) <= 1
    made.publish_release(str(LATER))
    _run(made, DAY)
    assert (outages.current(made), _built_from(made)) == (2, str(LATER))
    assert (outages.alerts(made), made.poisoned) == (0, [])


@pytest.mark.parametrize("withdraw", [_gone, _deprecated])
def test_without_the_rule_the_base_is_frozen(withdraw: Withdrawal) -> None:
    with sabotage.ALL["rule-16-withdrawn-release"].patch():
        made = _world()
        _withdrawn(made, withdraw)
        _platform(made)
        _run(made, DAY)
        assert outages.current(made) < 2
