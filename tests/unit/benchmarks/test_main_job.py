"""The parts of the main job: the chain that it waited for, and the CPU time by kind of process."""

from datetime import UTC, datetime, timedelta

from benchmarks.main_job import BuildTimes, chain_parts, slowest_chain
from benchmarks.process_times import KindTimes, Seen, add_up

START = datetime(2026, 7, 1, tzinfo=UTC)


def _at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def _build(name: str, parent: str, *seconds: float) -> BuildTimes:
    asked, build_began, build_ended, verify_began, verify_ended, ended = map(_at, seconds)
    return BuildTimes(
        build=f"{name}.0123456789ab.1",
        parent=parent,
        asked=asked,
        build_began=build_began,
        build_ended=build_ended,
        verify_began=verify_began,
        verify_ended=verify_ended,
        ended=ended,
    )


BASE = _build("base", "", 1, 2, 4, 5, 8, 10)
QUICK = _build("quick", "base", 10, 11, 12, 13, 14, 15)
SLOW = _build("slow", "base", 11, 12, 14, 15, 18, 20)


def test_the_slowest_chain_ends_with_the_last_build_and_begins_with_its_oldest_ancestor() -> None:
    assert slowest_chain([QUICK, SLOW, BASE]) == [BASE, SLOW]
    assert slowest_chain([SLOW]) == [SLOW]  # a rebuild: its parent was not built again
    assert slowest_chain([]) == []


def test_the_parts_of_a_chain_add_up_to_its_time() -> None:
    parts = chain_parts([BASE, SLOW], START)
    assert parts == {
        "before the build": 2.0,
        "to the container": 2.0,
        "build": 4.0,
        "between": 2.0,
        "verify": 6.0,
        "to the end": 4.0,
    }
    assert sum(parts.values()) == 20.0


def test_times_add_up_by_the_first_kind_that_fits() -> None:
    seen = [
        Seen(words="python -m local.host --x", parent=1, seconds=2.0),
        Seen(words="python -S -m local.recorded.packer build", parent=2, seconds=0.5),
        Seen(words="sh /x/recorded-packer version", parent=2, seconds=0.25),
        Seen(words="uname -p", parent=2, seconds=0.01),
    ]
    kinds = {"local.host": "host", "local.recorded": "Packer", "recorded-packer": "Packer", "packer": "never"}
    assert add_up(seen, kinds) == {
        "host": KindTimes(seconds=2.0, processes=1),
        "Packer": KindTimes(seconds=0.75, processes=2),
        "other": KindTimes(seconds=0.01, processes=1),
    }
