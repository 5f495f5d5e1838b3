"""What lost records were: truth tables of the current version, of claims, and of the last version."""

from datetime import UTC, date, datetime

import pytest

from pipeline_core.domain.claims import Outcome
from pipeline_core.domain.fingerprint import BuildInputs, fingerprint
from pipeline_core.domain.images import PublishedVersion
from pipeline_core.domain.names import Digest, ImageName, build_id
from pipeline_core.domain.reasons import Lane
from pipeline_core.domain.recovery import (
    LiveVersion,
    claims_of,
    current_of,
    generation_of,
    last_version_of,
)
from pipeline_core.domain.sources import ParentVersion
from pipeline_core.domain.versions import GalleryVersion

NAME = ImageName("app")
TODAY = date(2026, 11, 21)


def _version(sequence: int) -> GalleryVersion:
    return GalleryVersion(9, 20261121, sequence)


def _live(sequence: int, *, included: bool, period: int | None = None, generation: int = 1) -> LiveVersion:
    inputs = BuildInputs(
        image=NAME,
        recipe=Digest("0" * 64),
        bundle=Digest("1" * 64),
        origin=ParentVersion(image=ImageName("base"), version=_version(1)),
        platform=Digest("2" * 64),
        period=sequence if period is None else period,
    )
    return LiveVersion(
        published=PublishedVersion(
            version=_version(sequence),
            fingerprint=fingerprint(inputs),
            inputs=inputs,
            build=build_id(NAME, fingerprint(inputs), generation),
            lane=Lane.HUMAN,
            published_at=datetime(2026, 11, 21, tzinfo=UTC),
        ),
        is_included=included,
    )


@pytest.mark.parametrize(
    ("included", "excluded", "told", "current"),
    [
        pytest.param((), (), None, None, id="nothing is live"),
        pytest.param((1, 2), (), 2, 2, id="the recovery log and latest agree"),
        pytest.param((1, 2), (), None, 2, id="no recovery log: the highest in latest"),
        pytest.param((1,), (2,), 1, 1, id="a lower one is used again"),
        pytest.param((1, 3), (), 1, 3, id="the recovery log lags behind a publication"),
        pytest.param((1,), (2,), 2, 2, id="a person took it out of latest, and it is current still"),
        pytest.param((1,), (2,), None, 1, id="no recovery log: never one that is out of latest"),
        pytest.param((2,), (1,), 1, 2, id="the recovery log lags, and its version was taken out"),
        pytest.param((1,), (), 7, 1, id="what was told is gone"),
        pytest.param((), (1,), None, None, id="a first copy that was never let in"),
        pytest.param((), (1,), 1, 1, id="the only version was taken out"),
    ],
)
def test_the_current_version(
    included: tuple[int, ...], excluded: tuple[int, ...], told: int | None, current: int | None
) -> None:
    live = [_live(each, included=True) for each in included]
    live += [_live(each, included=False) for each in excluded]
    found = current_of(live, None if told is None else _version(told))
    assert (None if found is None else found.version.sequence) == current


@pytest.mark.parametrize(
    ("sequence", "included", "current", "told", "outcome"),
    [
        pytest.param(1, True, 2, True, Outcome.SUCCEEDED, id="older"),
        pytest.param(1, False, 2, False, Outcome.SUCCEEDED, id="older, out of latest, no recovery log"),
        pytest.param(3, False, 2, True, Outcome.SUCCEEDED, id="complete and not let in yet, or replaced"),
        pytest.param(3, False, 2, False, Outcome.WITHHELD, id="out of latest, and nothing tells why"),
        pytest.param(3, False, None, False, Outcome.WITHHELD, id="the only one, and nothing tells why"),
        pytest.param(3, True, None, False, Outcome.SUCCEEDED, id="in latest"),
    ],
)
def test_the_claim_of_a_live_version(
    sequence: int, included: bool, current: int | None, told: bool, outcome: Outcome
) -> None:
    now_current = None if current is None else _live(current, included=True).published
    (claim,) = claims_of(NAME, [_live(sequence, included=included)], now_current, is_logged=told)
    assert (claim.outcome, claim.version) == (outcome, _version(sequence))
    assert bool(claim.detail) is (outcome is Outcome.WITHHELD)


@pytest.mark.parametrize(("included", "outcome"), [(False, Outcome.WITHHELD), (True, Outcome.SUCCEEDED)])
def test_a_version_that_the_log_names_as_taken_out_stays_held_until_it_is_in_latest(
    included: bool, outcome: Outcome
) -> None:
    current = _live(1, included=True).published
    (claim,) = claims_of(
        NAME, [_live(3, included=included)], current, is_logged=True, taken_out=(_version(3),)
    )
    assert claim.outcome is outcome


@pytest.mark.parametrize("order", [1, -1])
def test_of_two_versions_of_one_input_the_newer_build_holds_the_claim(order: int) -> None:
    twice = [_live(1, included=True, period=5), _live(2, included=True, period=5, generation=2)]
    (claim,) = claims_of(NAME, twice[::order], twice[1].published, is_logged=True)
    assert (claim.version, claim.generation) == (_version(2), 2)


def test_the_generation_is_the_end_of_an_id() -> None:
    build = _live(1, included=True, generation=120).published.build
    assert generation_of(build) == 120


@pytest.mark.parametrize(
    ("known", "major", "attempted", "last"),
    [
        pytest.param([], 9, False, None, id="never tried"),
        pytest.param(["9.20261101.4", "9.20261101.10"], 9, False, "9.20261101.10", id="compared as numbers"),
        pytest.param(["9.20261101.4"], 9, True, "9.20261121.100", id="one may have been allotted today"),
        pytest.param(["9.20261121.4"], 9, True, "9.20261121.104", id="behind what is known of today"),
        pytest.param(["9.20261231.4"], 9, True, "9.20261231.104", id="a clock that was ahead"),
        pytest.param(["9.20261121.4"], 10, True, "10.20261121.100", id="of the major that is in force now"),
        pytest.param(["10.20261121.4"], 9, True, "10.20261121.104", id="never below a higher major"),
        pytest.param([], 9, True, "9.20261121.100", id="tried, and nothing to be seen"),
    ],
)
def test_the_last_version(known: list[str], major: int, attempted: bool, last: str | None) -> None:
    versions = [GalleryVersion.parse(each) for each in known]
    found = last_version_of(versions, major, TODAY, was_attempted=attempted)
    assert (None if found is None else str(found)) == last
