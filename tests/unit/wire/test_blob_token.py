"""The token of an attempt as a variable of its container."""

from datetime import UTC, datetime

import pytest

from pipeline_core.domain.blob_rights import BlobPlace, BlobToken
from pipeline_core.domain.errors import MalformedMessage
from pipeline_core.wire import blob_token

TOKEN = BlobToken(
    until=datetime(2026, 11, 21, 23, 15, tzinfo=UTC),
    shared="se=2026-11-21T23%3A15%3A00Z&sr=b",
    own={
        BlobPlace(container="builds", name="a.b.1/build-1/log.txt"): "sp=rac&sig=one%2Fsignature%3D",
        BlobPlace(container="jobs", name="d.json"): "sp=r&sig=two",
    },
)


def test_what_is_written_is_read() -> None:
    assert blob_token.from_wire(blob_token.to_wire(TOKEN)) == TOKEN


def test_a_field_of_a_newer_release_is_ignored() -> None:
    text = blob_token.to_wire(TOKEN)
    assert blob_token.from_wire(text.replace("{", '{"new":1,', 1)) == TOKEN


def test_the_secrets_are_the_signatures() -> None:
    assert blob_token.secrets_in(TOKEN) == ("one%2Fsignature%3D", "two")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "secret-text",
        "[]",
        '{"until":"secret-text"}',
        '{"until":"2026-11-21T23:15:00","shared":"a","own":{}}',
        '{"until":"2026-11-21T23:15:00Z","shared":"a","own":{"x/y":"secret-text\\n"}}',
    ],
)
def test_what_cannot_be_read_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(MalformedMessage) as caught:
        blob_token.from_wire(text)
    assert "secret-text" not in str(caught.value)
    assert caught.value.__cause__ is None
