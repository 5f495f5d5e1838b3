"""The standing of a version: what may become current again."""

from datetime import UTC, datetime

import pytest

from pipeline_core.domain import version_records
from pipeline_core.domain.names import ImageName
from pipeline_core.domain.version_records import Standing, VersionRecord
from pipeline_core.domain.versions import GalleryVersion

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("standing", "answer"),
    [
        (Standing.LIVE, True),
        (Standing.PRUNING, True),
        (Standing.EXCLUDED, False),
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
