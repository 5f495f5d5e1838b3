"""The reaper reads the builds that go on at once, and another build's own row."""

import pytest

from pipeline_core.domain.builds import Phase
from pipeline_core.domain.errors import InvalidValue
from pipeline_core.domain.names import ImageName
from pipeline_core.ports import Row, TableWrite, WriteKind
from tests.unit.services import scenes
from tests.unit.services.upkeep.test_reap import LONG, leave, run, tags, there, two_builds


def test_what_builds_that_go_on_have_leased_costs_one_read_however_many_they_are() -> None:
    made = scenes.registered({f"image-{number}": None for number in range(4)})
    builds = [scenes.in_phase(made, ImageName(f"image-{number}"), Phase.BUILDING) for number in range(4)]
    stay = [leave(made, f"vm-{each.id}", tags(made, each, left=LONG)) for each in builds]
    before = made.ports.tables.operations
    report = run(made)
    assert made.ports.tables.operations - before == 1
    assert (report.removed, report.in_use, report.unreadable) == (0, 0, 0)
    assert there(made, *stay) == stay


def test_what_a_build_left_that_has_not_reported_its_end_goes_in_the_first_run_after_the_report() -> None:
    made, dead, _ = two_builds()
    machine = leave(made, "vm", tags(made, dead, left=LONG))
    scenes.index(made).add_active(dead.id)
    run(made)
    assert there(made, machine) == [machine]
    scenes.index(made).remove_active(dead.id)
    run(made)
    assert there(made, machine) == []


def test_where_the_builds_that_go_on_cannot_be_listed_each_ones_own_row_decides() -> None:
    made, dead, live = two_builds()
    stay, gone = (leave(made, f"vm-{each.id}", tags(made, each, left=LONG)) for each in (live, dead))
    made.ports.tables.write(
        "index", [TableWrite(verb=WriteKind.INSERT, row=Row(partition="active", key="no build", cells={}))]
    )
    with pytest.raises(InvalidValue):
        run(made)
    assert there(made, stay, gone) == [stay]
