"""Ten minutes of each class of the platform, with 400 builds pending on 20 slots (r33 of the first reviews)."""

from datetime import timedelta

import pytest

from pipeline_core.domain.errors import ErrorClass, FactoryError, NotAllowed, PermanentError, TransientError
from simulation import platform
from simulation.faults import Kind
from tests.simulation import outages
from tests.simulation.outages import Outage

MINUTES = timedelta(minutes=10)
PLATFORM = [
    error_class
    for error_class in ErrorClass
    if not outages.is_of_team(error_class) and error_class is not ErrorClass.PROVENANCE
]
WITHOUT_ALERT = {ErrorClass.CAPACITY, ErrorClass.QUOTA, ErrorClass.THROTTLED, ErrorClass.CONFLICT}


def _refused(error_class: ErrorClass) -> FactoryError:
    if error_class is ErrorClass.PERMISSION:
        return NotAllowed("403 AuthorizationFailed")
    if error_class.is_transient and error_class is not ErrorClass.UNKNOWN:
        return TransientError(error_class, "refused")
    return PermanentError(error_class, "refused")


def _replay(outage: Outage, count: int, monkeypatch: pytest.MonkeyPatch) -> int:
    """The number of alerts, after everything that must hold was checked."""
    # Twenty rounds of four minutes: what two hours allow.
    stages = {"build": timedelta(minutes=2), "verify": timedelta(minutes=1)}
    monkeypatch.setattr(platform, "_STAGE", stages)
    made = outages.make(outage, slots=20)
    for number in range(count):
        made.register(f"image-{number}", None)
    outage.until = made.ports.clock.now() + MINUTES
    made.run_until(outage.until + timedelta(hours=2))
    assert outage.struck > 0
    assert len(outages.hurt(made)) <= 20
    assert outages.current(made) == count
    assert made.poisoned == []
    return outages.alerts(made)


@pytest.mark.slow
def test_ten_minutes_in_which_no_container_can_be_created(monkeypatch: pytest.MonkeyPatch) -> None:
    """The very case: InaccessibleImage as Azure's refusal of the creation, with a code that no rule knows."""
    outage = Outage(creation=lambda: _refused(ErrorClass.UNKNOWN))
    assert _replay(outage, 400, monkeypatch) == 1


@pytest.mark.campaign
@pytest.mark.parametrize("error_class", PLATFORM)
def test_ten_minutes_of_each_class_in_a_call(
    error_class: ErrorClass, monkeypatch: pytest.MonkeyPatch
) -> None:
    alerts = _replay(Outage(creation=lambda: _refused(error_class)), 400, monkeypatch)
    assert alerts == (0 if error_class in WITHOUT_ALERT else 1)


@pytest.mark.campaign
@pytest.mark.parametrize("error_class", PLATFORM)
def test_ten_minutes_of_each_class_from_the_builder(
    error_class: ErrorClass, monkeypatch: pytest.MonkeyPatch
) -> None:
    alerts = _replay(Outage(report=error_class), 400, monkeypatch)
    assert alerts == (0 if error_class.only_waits else 1)


@pytest.mark.campaign
@pytest.mark.parametrize("fault", [Kind.EVICTED, Kind.SILENT])
def test_ten_minutes_in_which_every_container_is_lost(fault: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    assert _replay(Outage(fault=fault), 400, monkeypatch) <= 1
