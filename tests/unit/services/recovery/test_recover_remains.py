"""Recovery beside what remains, again, in steps, and by whom; what is lost is not begun anew."""

import pytest

from pipeline_core.domain.builds import Phase
from pipeline_core.domain.errors import ErrorClass, InvalidValue, PermanentError
from pipeline_core.ports import Principal
from simulation.world import ADMIN
from tests.unit.services import losses, scenes
from tests.unit.services.scenes import BASE, JAVA, SIX

TWO = {"rhel9-base": None, "rhel9-java": "rhel9-base"}
SHA = "0123456789abcdef0123456789abcdeffedcba9876543210fedcba9876543210"
THREE = {**TWO, "payments-api": "rhel9-java"}


def test_recovering_twice_changes_nothing() -> None:
    made = scenes.settled()
    losses.lost_and_recovered(made)
    rows = {table: made.ports.tables.rows(table) for table in losses.TABLES}
    reports = losses.recover(made, force=True)
    assert losses.recovered(reports) == []
    assert [name for report in reports for name in report.kept] == sorted(map(str, SIX))
    for table in ("images", "capacity"):
        assert made.ports.tables.rows(table) == rows[table]
    before = [(row.partition, row.key, row.cells) for row in rows["index"]]
    assert [(row.partition, row.key, row.cells) for row in made.ports.tables.rows("index")] == before


def test_a_factory_that_has_its_records_is_left_alone() -> None:
    made = scenes.settled(TWO)
    with pytest.raises(PermanentError, match="nothing is recovered") as refused:
        made.factory.recovery.step(ADMIN, "")
    assert refused.value.error_class is ErrorClass.CONFLICT


@pytest.mark.parametrize("tables", [("index",), ("images",), ("index", "capacity")])
def test_what_remains_is_not_overwritten(tables: tuple[str, ...]) -> None:
    made = scenes.settled()
    before, kept = (
        losses.essence(made),
        {table: made.ports.tables.rows(table) for table in {*losses.TABLES} - {*tables}},
    )
    indexed = losses.index_keys(made)
    losses.lose_tables(made, *tables)
    assert losses.problems(losses.recover(made, force=True)) == {}
    assert losses.essence(made) == before
    assert losses.index_keys(made) == indexed
    for table in {*kept} - {"index"}:
        assert made.ports.tables.rows(table) == kept[table]
    count = losses.build_count(made)
    made.settle()
    assert losses.build_count(made) == count


def test_a_build_whose_index_is_lost_goes_on() -> None:
    made = scenes.registered({"rhel9-base": None})
    build = scenes.in_phase(made, BASE, Phase.BUILDING)
    losses.lose_tables(made, "index")
    losses.recover(made)
    assert list(scenes.index(made).active()) == [build.id]
    made.settle()
    assert scenes.stored(made, build.id).value.is_finished
    assert scenes.rest_of(made, BASE) == "current"


def test_nobody_registers_anew_what_is_only_lost() -> None:
    made = scenes.settled(TWO)
    losses.lose_tables(made)
    with pytest.raises(PermanentError, match="state recover"):
        made.register("rhel9-base", None)
    with pytest.raises(PermanentError, match="state recover"):
        scenes.set_platform(made, "new steps")
    losses.recover(made)
    scenes.set_platform(made, "new steps")
    made.register("rhel9-base", None, text="edited")
    made.settle()
    assert {scenes.rest_of(made, name) for name in (BASE, JAVA)} == {"current"}


@pytest.mark.parametrize("caller", [scenes.principal("secops"), scenes.principal(roles=["Factory.Reader"])])
def test_only_secops_rebuilds_state(caller: Principal) -> None:
    made = scenes.settled({"rhel9-base": None})
    losses.lose_tables(made)
    with pytest.raises(PermanentError) as refused:
        made.factory.recovery.step(caller, "")
    assert refused.value.error_class is ErrorClass.PERMISSION
    assert losses.heads(made) == {}


@pytest.mark.parametrize("cursor", ["nothing", "told:../etc", "later:rhel9-base", ":"])
def test_a_cursor_that_no_step_gave_is_refused(cursor: str) -> None:
    made = scenes.settled({"rhel9-base": None})
    losses.lose_tables(made)
    with pytest.raises(InvalidValue, match="is not a cursor of the recovery"):
        made.factory.recovery.step(ADMIN, cursor)


@pytest.mark.slow
def test_a_fleet_of_more_than_one_step_is_recovered_whole() -> None:
    parents: dict[str, str | None] = {"base-0": None}
    parents |= {f"image-{number:02d}": "base-0" for number in range(45)}
    made = scenes.settled(parents)
    before = losses.essence(made)
    losses.lose_tables(made)
    reports = losses.recover(made)
    assert len(reports) > 6
    assert all(len(report.recovered) <= 20 for report in reports)
    assert losses.essence(made) == before
    made.settle()
    assert losses.build_count(made) == 0
