"""The key under which something that lasts is reported once."""

from datetime import timedelta

from pipeline_core.domain.journal import entry_key, standing_key
from tests.unit.domain.factories import NOW


def test_the_same_standing_has_the_same_key_whenever_it_is_seen() -> None:
    assert standing_key(NOW, "base.1/3") == standing_key(NOW, "base.1/3")


def test_another_moment_or_another_subject_has_another_key() -> None:
    keys = {
        standing_key(NOW, "base.1/3"),
        standing_key(NOW, "base.1/4"),
        standing_key(NOW + timedelta(seconds=1), "base.1/3"),
    }
    assert len(keys) == 3


def test_it_sorts_among_the_other_entries_by_its_moment() -> None:
    before, after = (
        entry_key(NOW - timedelta(seconds=1), "f" * 16),
        entry_key(NOW + timedelta(seconds=1), "0" * 16),
    )
    assert before < standing_key(NOW, "base.1/3") < after
