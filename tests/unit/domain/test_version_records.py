"""The standing of a version: what may become current again."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from pipeline_core.domain import version_records
from pipeline_core.domain.names import ImageName
from pipeline_core.domain.version_records import Intent, Standing, VersionRecord
from pipeline_core.domain.versions import GalleryVersion

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("standing", "answer"),
    [
        (Standing.LIVE, True),
        (Standing.SPARE, True),
        (Standing.PRUNING, True),
        (Standing.EXCLUDED, False),
        (Standing.GONE, False),
        (Standing.PRUNED, False),
    ],
)
def test_only_what_nobody_took_away_for_good_may_be_current(standing: Standing, answer: bool) -> None:
    assert standing.may_be_current is answer


def test_a_change_says_who_and_why_and_drops_the_old_date() -> None:
    record = VersionRecord(
        image=ImageName("base"),
        version=GalleryVersion(9, 20261121, 1),
        standing=Standing.PRUNING,
        delete_after=NOW,
        was_excluded=False,
    )
    changed = version_records.change(record, Standing.LIVE, NOW, actor="retention", reason="it is used again")
    assert (changed.standing, changed.at, changed.actor, changed.reason) == (
        Standing.LIVE,
        NOW,
        "retention",
        "it is used again",
    )
    assert changed.delete_after is None
    assert changed.was_excluded is False


def _record(standing: Standing, intent: Intent | None = None) -> VersionRecord:
    return VersionRecord(
        image=ImageName("base"), version=GalleryVersion(9, 20261121, 1), standing=standing, intent=intent
    )


@pytest.mark.parametrize(
    ("record", "is_offered", "is_above", "standing"),
    [
        (None, True, False, Standing.LIVE),
        (None, False, True, Standing.SPARE),  # an older release of the factory went back below it
        (None, False, False, Standing.EXCLUDED),
        (_record(Standing.LIVE), True, False, Standing.LIVE),
        (_record(Standing.LIVE), False, False, Standing.EXCLUDED),
        (_record(Standing.LIVE), False, True, Standing.EXCLUDED),
        (_record(Standing.LIVE, Intent.EXCLUDE), False, False, Standing.SPARE),
        (_record(Standing.LIVE, Intent.INCLUDE), False, False, Standing.LIVE),
        (_record(Standing.EXCLUDED), True, False, Standing.EXCLUDED),
        (_record(Standing.GONE), True, False, Standing.GONE),
        (_record(Standing.SPARE), False, False, Standing.SPARE),
    ],
)
def test_the_mark_of_a_gallery_is_ours_only_where_we_meant_it(
    record: VersionRecord | None, is_offered: bool, is_above: bool, standing: Standing
) -> None:
    assert version_records.standing_of(record, is_offered=is_offered, is_above=is_above) is standing


@pytest.mark.parametrize(
    ("intent", "age", "is_being_let_in", "may_be_taken_out_yet"),
    [
        (Intent.INCLUDE, timedelta(minutes=9), True, False),
        (
            Intent.INCLUDE,
            timedelta(minutes=10),
            False,
            False,
        ),  # its process died, or nobody wants it any more
        (Intent.EXCLUDE, timedelta(minutes=1), False, True),
        (Intent.EXCLUDE, timedelta(minutes=2), False, False),
        (None, timedelta(0), False, False),
    ],
)
def test_an_intent_holds_while_its_call_may_be_on_its_way(
    intent: Intent | None, age: timedelta, *, is_being_let_in: bool, may_be_taken_out_yet: bool
) -> None:
    record = replace(_record(Standing.LIVE, intent), at=NOW - age)
    assert version_records.is_being_let_in(record, NOW) is is_being_let_in
    assert version_records.may_be_taken_out_yet(record, NOW) is may_be_taken_out_yet


def test_no_record_and_none_without_a_time_intends_anything() -> None:
    for record in (None, _record(Standing.LIVE, Intent.INCLUDE), _record(Standing.LIVE, Intent.EXCLUDE)):
        assert not version_records.is_being_let_in(record, NOW)
        assert not version_records.may_be_taken_out_yet(record, NOW)
