"""Keys that are stored: their texts are held to literals, because a change would put old rows out of order."""

from datetime import UTC, datetime

import pytest

from pipeline_core.domain.dispatch import priority_key
from pipeline_core.domain.keys import highest_first
from pipeline_core.domain.names import BuildId
from pipeline_core.domain.poison import poison_key
from pipeline_core.domain.reasons import Lane

AT = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("number", "key"),
    [
        pytest.param(0, "999", id="the lowest comes last"),
        pytest.param(1, "998", id="the next before it"),
        pytest.param(998, "001", id="in the width of the bound"),
        pytest.param(999, "000", id="the highest comes first"),
        pytest.param(1000, "000", id="beyond the bound"),
        pytest.param(-1, "999", id="below nought"),
    ],
)
def test_the_highest_number_sorts_first(number: int, key: str) -> None:
    assert highest_first(number, most=999) == key


def test_stored_keys_are_what_they_always_were() -> None:
    assert poison_key(AT, "n") == "08204737600000000-n"
    build = BuildId("app.0123456789ab.1")
    assert priority_key(Lane.BACKGROUND, 90, AT, build).split("-")[1] == "999909"
