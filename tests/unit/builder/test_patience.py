"""A builder whose roles were granted a moment ago asks again, for a bounded time, and stops when it must."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from builder.patience import OUTAGE_SECONDS, PatientBlobs, PatientEvents, RefusalWait
from pipeline_core.domain.errors import ErrorClass, NotAllowed, NotFound, PermanentError, TransientError
from pipeline_core.domain.propagation import GRANT
from tests.unit.builder.fakes import FolderBlobs, FolderEvents


@dataclass(slots=True, kw_only=True)
class Refusing:
    """Blobs and events that refuse the first `times` calls."""

    blobs: FolderBlobs
    events: FolderEvents
    times: int
    asked: int = 0
    error: Callable[[], Exception] = lambda: NotAllowed("blob: 403 AuthorizationPermissionMismatch")

    def __getattr__(self, name: str) -> Callable[..., object]:
        def call(*given: object, **named: object) -> object:
            self.asked += 1
            if self.asked <= self.times:
                raise self.error()
            target: Callable[..., object] = getattr(self.events if name == "send" else self.blobs, name)
            return target(*given, **named)

        return call


@dataclass(slots=True, kw_only=True)
class Moments:
    """A clock that only sleep moves."""

    seconds: float = 100.0
    slept: list[float] = field(default_factory=list)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.seconds += seconds


def patient(
    folder: Path, *, times: int, stopped: bool = False, error: Callable[[], Exception] | None = None
) -> tuple[Refusing, Moments, PatientBlobs, PatientEvents]:
    port = Refusing(blobs=FolderBlobs(folder), events=FolderEvents(folder), times=times)
    if error is not None:
        port.error = error
    moments = Moments()
    wait = RefusalWait(
        began=100.0, is_stopped=lambda: stopped, now=lambda: moments.seconds, sleep=moments.sleep
    )
    either: Any = port
    return port, moments, PatientBlobs(either, wait), PatientEvents(either, wait)


def test_every_call_waits_for_its_role(tmp_path: Path) -> None:
    calls: list[Callable[[PatientBlobs, PatientEvents], object]] = [
        lambda blobs, _: blobs.create("builds", "a", b"1", media_type="text/plain"),
        lambda blobs, _: blobs.read("builds", "a", limit=10),
        lambda blobs, _: blobs.fetch("builds", "a", tmp_path / "file", limit=10),
        lambda blobs, _: blobs.create_log("builds", "log.txt"),
        lambda blobs, _: blobs.append("builds", "log.txt", b"line", offset=0),
        lambda _, events: events.send("{}"),
    ]
    for call in calls:
        port, moments, blobs, events = patient(tmp_path, times=3)
        call(blobs, events)
        assert (port.asked, len(moments.slept)) == (4, 3)
    assert (tmp_path / "builds" / "log.txt").read_bytes() == b"line"
    assert FolderEvents(tmp_path).sent == [{}]


def test_a_role_that_is_missing_ends_the_wait_with_its_remedy(tmp_path: Path) -> None:
    _, moments, blobs, _ = patient(tmp_path, times=10_000)
    with pytest.raises(PermanentError, match=r"refused for 15 minutes.*infra/roles.tf") as refused:
        blobs.read("jobs", "job", limit=10)
    assert refused.value.error_class is ErrorClass.PERMISSION
    assert GRANT.total_seconds() <= moments.seconds - 100.0 <= GRANT.total_seconds() + 10


def test_a_stop_ends_the_wait_at_once(tmp_path: Path) -> None:
    port, moments, blobs, _ = patient(tmp_path, times=10_000, stopped=True)
    with pytest.raises(NotAllowed):
        blobs.read("jobs", "job", limit=10)
    assert (port.asked, moments.slept) == (1, [])


def test_every_other_error_passes_at_once(tmp_path: Path) -> None:
    _, moments, blobs, _ = patient(tmp_path, times=0)
    with pytest.raises(NotFound):
        blobs.read("jobs", "nothing", limit=10)
    assert moments.slept == []


def test_a_report_waits_for_storage_through_an_outage_of_minutes(tmp_path: Path) -> None:
    port, moments, blobs, _ = begun(tmp_path, times=100)
    blobs.create("builds", "b/build-1/result.json", b"{}", media_type="application/json")
    assert (tmp_path / "builds" / "b/build-1/result.json").read_bytes() == b"{}"
    assert 900 < moments.seconds - 100.0 < OUTAGE_SECONDS
    assert max(moments.slept) <= 10.0  # so that it is there soon after the outage: silence ends the attempt
    assert port.asked == 101


def test_an_outage_without_an_end_is_reported_after_its_bound(tmp_path: Path) -> None:
    _, moments, blobs, _ = begun(tmp_path, times=10_000)
    with pytest.raises(TransientError, match="connection refused"):
        blobs.read("jobs", "job", limit=10)
    assert OUTAGE_SECONDS - 10 <= moments.seconds - 100.0 <= OUTAGE_SECONDS


def test_before_the_marker_an_outage_is_shown_at_once(tmp_path: Path) -> None:
    _, moments, blobs, _ = patient(tmp_path, times=10_000, error=_outage)
    with pytest.raises(TransientError):
        blobs.create("builds", "b/build-1/started.json", b"{}", media_type="application/json")
    assert moments.slept == []


def test_the_log_does_not_wait_because_it_keeps_its_lines_itself(tmp_path: Path) -> None:
    _, moments, blobs, events = begun(tmp_path, times=10_000)
    with pytest.raises(TransientError):
        blobs.append("builds", "log.txt", b"line", offset=0)
    with pytest.raises(TransientError):
        events.send("{}")  # a hint: the factory looks by itself
    assert moments.slept == []


def test_a_stop_ends_the_wait_for_storage_at_once(tmp_path: Path) -> None:
    port, moments, blobs, _ = begun(tmp_path, times=10_000, stopped=True)
    with pytest.raises(TransientError):
        blobs.create("builds", "a", b"1", media_type="text/plain")
    assert (port.asked, moments.slept) == (1, [])


def _outage() -> TransientError:
    return TransientError(ErrorClass.NETWORK, "blob: no answer: connection refused")


def begun(
    folder: Path, *, times: int, stopped: bool = False
) -> tuple[Refusing, Moments, PatientBlobs, PatientEvents]:
    """An attempt that has its marker, and from then on `times` calls without an answer."""
    port, moments, blobs, events = patient(folder, times=0, stopped=stopped, error=_outage)
    blobs.create("builds", "started.json", b"{}", media_type="application/json")
    port.times, port.asked = times, 0
    return port, moments, blobs, events
