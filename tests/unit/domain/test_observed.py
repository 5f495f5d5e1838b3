"""What a gallery shows against what the factory believes, and how many differences are too many."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from pipeline_core.domain import observed
from pipeline_core.domain.builds import Phase
from pipeline_core.domain.images import ActiveBuild, DoubtKind, ImageHead
from pipeline_core.domain.names import BuildId, ImageName
from pipeline_core.domain.observed import SeenVersion, Sight, Suspect, Suspects
from pipeline_core.domain.versions import GalleryVersion
from pipeline_core.state.galleries.observations import SUSPECTS
from tests.unit.domain import factories as make

V1, V2, V3 = (GalleryVersion(9, 20261101, number) for number in (1, 2, 3))
BUILD, OTHER = BuildId("rhel9-base.0123456789ab.1"), BuildId("rhel9-base.0123456789ab.2")


def _head(version: GalleryVersion = V2) -> ImageHead:
    inputs = make.desired(make.BASE, make.world(make.head()))
    return make.published(make.head(), inputs, str(version))


def _seen(version: GalleryVersion, **changes: object) -> SeenVersion:
    made = SeenVersion(version=version, is_offered=True, is_whole=True, build=BUILD)
    return replace(made, **changes)  # type: ignore[arg-type]  # tests name the fields they change


@pytest.mark.parametrize(
    ("seen", "sight"),
    [
        ([_seen(V2)], Sight.HELD),
        ([_seen(V1)], Sight.MISSING),
        ([], Sight.MISSING),
        ([_seen(V2, is_whole=False)], Sight.MISSING),
        ([_seen(V2, is_offered=False)], Sight.KEPT_OUT),
        ([_seen(V2, is_busy=True)], Sight.BUSY),
        ([_seen(V2, is_busy=True, is_whole=False, is_offered=False)], Sight.BUSY),
    ],
)
def test_the_sight_of_the_current_version(seen: list[SeenVersion], sight: Sight) -> None:
    assert observed.sight_of(_head(), observed.by_version(seen)) is sight


def test_where_nothing_is_current_nothing_can_be_missing() -> None:
    assert observed.sight_of(make.head(), {}) is Sight.NOTHING_CURRENT


@pytest.mark.parametrize(
    ("changes", "is_back"),
    [({}, True), ({"is_offered": False}, False), ({"is_busy": True}, False)],
)
def test_a_version_that_is_offered_again_has_returned(changes: dict[str, object], is_back: bool) -> None:
    head = replace(_head(V1), taken_out=(V2, V3))
    seen = observed.by_version([_seen(V1), _seen(V2, **changes)])
    assert observed.returned(head, seen) == ((V2,) if is_back else ())


def test_a_version_that_was_taken_out_and_is_not_listed_any_more_is_named() -> None:
    head = replace(_head(V1), taken_out=(V2, V3))
    assert observed.unlisted(head, observed.by_version([_seen(V1), _seen(V3, is_offered=False)])) == (V2,)


@pytest.mark.parametrize(
    ("changes", "is_above"),
    [
        ({}, True),
        ({"is_offered": False}, False),
        ({"is_busy": True}, False),
        ({"build": None}, False),
        ({"build": OTHER}, False),  # the active one: it is about to be current
    ],
)
def test_only_versions_of_ended_builds_above_the_pointer_are_named(
    changes: dict[str, object], is_above: bool
) -> None:
    active = ActiveBuild(build=OTHER, fingerprint=make.build().fingerprint, phase=Phase.PUBLISHING)
    head = replace(_head(V1), active=active)
    seen = observed.by_version([_seen(V1), _seen(V2, **changes)])
    assert observed.above(head, seen) == ((V2,) if is_above else ())


def test_versions_above_come_highest_first_without_those_that_were_taken_out() -> None:
    seen = observed.by_version([_seen(V2), _seen(V3), _seen(V1)])
    assert observed.above(_head(V1), seen) == (V3, V2)
    assert observed.above(replace(_head(V1), taken_out=(V3,)), seen) == (V2,)
    assert observed.above(make.head(), seen) == ()


def _suspect(number: int, **changes: object) -> Suspect:
    made = Suspect(
        image=ImageName(f"image-{number}"), kind=DoubtKind.GONE, version=V1, since=make.NOW, is_moved=False
    )
    return replace(made, **changes)  # type: ignore[arg-type]  # tests name the fields they change


def _suspects(count: int, **changes: object) -> Suspects:
    return Suspects(suspects=tuple(_suspect(number, **changes) for number in range(count)))


@pytest.mark.parametrize(
    ("count", "fleet", "are_too_many"),
    [
        (3, 0, False),
        (4, 0, True),
        (4, 399, True),
        (4, 400, False),
        (5, 400, True),
        (100, 10_000, False),
        (101, 10_000, True),
    ],
)
def test_more_than_three_images_and_one_in_a_hundred_are_too_many(
    count: int, fleet: int, are_too_many: bool
) -> None:
    judged = _suspects(count).judged(fleet, make.NOW)
    assert judged.are_too_many is are_too_many
    assert judged.alarmed_at == (make.NOW if are_too_many else None)


def test_an_alarm_keeps_its_time_and_ends_with_the_reason_for_it() -> None:
    alarmed = _suspects(4).judged(0, make.NOW)
    later = make.NOW + timedelta(minutes=5)
    assert alarmed.judged(0, later).alarmed_at == make.NOW
    assert alarmed.without(ImageName("image-0")).judged(0, later).alarmed_at is None


def test_an_alarm_is_announced_once_and_a_later_one_again() -> None:
    alarmed = _suspects(4).judged(0, make.NOW)
    assert alarmed.announce == ImageName("image-3")
    told = alarmed.announced(make.NOW)
    later = make.NOW + timedelta(minutes=5)
    assert told.judged(0, later).announce is None
    assert alarmed.announced(later).announce == alarmed.announce  # that was about another alarm
    ended = alarmed.without(ImageName("image-3")).judged(0, later)
    assert ended.announce is None
    assert ended.adding(_suspect(9)).judged(0, later).announce == ImageName("image-9")


def test_a_row_of_an_older_release_has_no_alarm_to_announce() -> None:
    row = SUSPECTS.write("observed", "suspects", _suspects(4).judged(0, make.NOW), etag=None).row
    value = json.loads(str(row.cells["value"]))
    del value["announce"]
    older = replace(row, cells={**row.cells, "value": json.dumps(value)})
    assert SUSPECTS.read(older).value == _suspects(4).judged(0, make.NOW).announced(make.NOW)


def test_a_move_counts_for_an_hour_and_a_difference_for_as_long_as_it_lasts() -> None:
    moved, lasting = _suspects(4, is_moved=True), _suspects(4)
    hour = make.NOW + observed.HOUR
    assert moved.judged(0, hour - timedelta(seconds=1)).are_too_many
    assert not moved.judged(0, hour).are_too_many
    assert moved.since(hour).suspects == ()
    assert lasting.judged(0, hour).are_too_many


def test_secops_acceptance_ends_an_alarm_until_its_hour_is_over() -> None:
    until = make.NOW + observed.HOUR
    accepted = replace(_suspects(4), accepted_until=until)
    assert not accepted.judged(0, make.NOW).are_too_many
    assert accepted.judged(0, until).are_too_many


def test_one_image_is_one_suspect_and_a_row_holds_so_many() -> None:
    one = Suspects().adding(_suspect(1)).adding(_suspect(1, is_moved=True))
    assert [each.is_moved for each in one.suspects] == [True]
    assert one.find(ImageName("image-1")) == one.suspects[0]
    assert one.find(ImageName("image-2")) is None
    assert one.adding(one.suspects[0]) is one
    many = Suspects()
    for number in range(250):
        many = many.adding(_suspect(number))
    assert len(many.suspects) == 200
    assert many.suspects[-1].image == ImageName("image-249")
