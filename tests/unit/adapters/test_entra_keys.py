"""The keys of the tenant: one fetch at a time, and nobody waits for it who has a known key."""

import json
import threading
from collections.abc import Callable
from datetime import timedelta

import pytest

from pipeline_core.adapters.azure.entra_id.tokens import EntraTokens
from pipeline_core.adapters.memory.clock import ManualClock
from pipeline_core.adapters.memory.web import MemoryWeb
from pipeline_core.domain.errors import PermanentError, TransientError
from pipeline_core.ports import WebAnswer
from tests.unit.adapters.entra_door import (
    AUDIENCE,
    AUTHORITY,
    FIRST,
    GROUP,
    KEYS_URL,
    PAYMENTS,
    SECOND,
    TENANT,
    Door,
    claims,
    document,
    sign,
)


@pytest.fixture
def door() -> Door:
    return Door()


def test_keys_are_fetched_once_for_many_tokens(door: Door) -> None:
    for _ in range(20):
        door.tokens.verify(sign(claims()))
    assert door.fetches == 1


def test_an_unknown_key_is_looked_for_at_most_once_a_minute(door: Door) -> None:
    door.tokens.verify(sign(claims()))
    door.clock.advance(timedelta(minutes=2))
    for _ in range(50):
        with pytest.raises(PermanentError):
            door.tokens.verify(sign(claims(), SECOND, kid="unknown"))
    assert door.fetches == 2
    door.tokens.verify(sign(claims()))  # who has a known key does not suffer from it


def test_a_new_key_is_found_after_at_most_a_minute(door: Door) -> None:
    door.tokens.verify(sign(claims()))
    door.publish(first=FIRST, second=SECOND)
    with pytest.raises(PermanentError):
        door.tokens.verify(sign(claims(), SECOND, kid="second"))
    door.clock.advance(timedelta(minutes=1))
    door.tokens.verify(sign(claims(), SECOND, kid="second"))


def test_a_withdrawn_key_is_trusted_no_longer_than_a_day(door: Door) -> None:
    door.tokens.verify(sign(claims()))
    door.publish(second=SECOND)
    door.clock.advance(timedelta(hours=23))
    door.tokens.verify(sign(claims()))
    door.clock.advance(timedelta(hours=1))
    with pytest.raises(PermanentError):
        door.tokens.verify(sign(claims()))


def test_known_keys_serve_on_while_entra_is_away(door: Door) -> None:
    door.tokens.verify(sign(claims()))
    door.lose_keys()
    door.clock.advance(timedelta(hours=25))
    door.tokens.verify(sign(claims()))
    door.publish(second=SECOND)
    door.clock.advance(timedelta(minutes=1))
    with pytest.raises(PermanentError):
        door.tokens.verify(sign(claims()))


def test_without_any_key_it_is_tried_again_after_some_seconds(door: Door) -> None:
    door.lose_keys()
    for _ in range(5):
        with pytest.raises(TransientError):
            door.tokens.verify(sign(claims()))
    assert door.fetches == 1
    door.publish(first=FIRST)
    door.clock.advance(timedelta(seconds=5))
    door.tokens.verify(sign(claims()))


@pytest.mark.parametrize(
    "answer",
    [
        WebAnswer(status=500, body=b"{}"),
        WebAnswer(status=200, body=b"not json"),
        WebAnswer(status=200, body=b"[]"),
        WebAnswer(status=200, body=b'{"keys": 7}'),
        WebAnswer(status=200, body=b'{"keys": ["x"]}'),
        WebAnswer(status=200, body=b"\xff\xfe"),
    ],
    ids=str,
)
def test_a_broken_key_document_is_transient(door: Door, answer: WebAnswer) -> None:
    door.web.answers[KEYS_URL] = answer
    with pytest.raises(TransientError):
        door.tokens.verify(sign(claims()))


def test_keys_for_other_uses_are_passed_over(door: Door) -> None:
    good = json.loads(document(first=FIRST).body)["keys"][0]
    others = [
        {**good, "kid": "encrypts", "use": "enc"},
        {"kty": "EC", "kid": "curve", "crv": "P-256", "x": "x", "y": "y"},
        {"kty": "oct", "kid": "secret", "k": "AAAA"},
        {"kty": "RSA", "kid": "broken", "n": "!!"},
    ]
    body = json.dumps({"keys": [*others, good]}).encode()
    door.web.answers[KEYS_URL] = WebAnswer(status=200, body=body)
    door.tokens.verify(sign(claims()))
    with pytest.raises(PermanentError):
        door.tokens.verify(sign(claims(), kid="encrypts"))


def test_old_keys_serve_while_new_ones_are_fetched() -> None:
    """A reader never waits for Entra: the fetch is beside the request, and there is one at a time."""
    begun: list[Callable[[], None]] = []
    door = Door(begin=begun.append)
    door.tokens.verify(sign(claims()))
    door.clock.advance(timedelta(hours=2))
    for _ in range(20):
        door.tokens.verify(sign(claims()))
    assert (len(begun), door.fetches) == (1, 1)
    door.publish(second=SECOND)
    begun[0]()
    assert door.fetches == 2
    door.tokens.verify(sign(claims(), SECOND, kid="second"))


def test_a_fetch_that_fails_beside_is_tried_again_after_a_minute() -> None:
    door = Door()
    door.tokens.verify(sign(claims()))
    door.lose_keys()
    door.clock.advance(timedelta(hours=2))
    for _ in range(5):
        door.tokens.verify(sign(claims()))
    assert door.fetches == 2
    door.clock.advance(timedelta(minutes=1))
    door.tokens.verify(sign(claims()))
    assert door.fetches == 3


class SlowWeb(MemoryWeb):
    """An Entra that answers when it is allowed to."""

    def get(self, url: str, *, limit: int) -> WebAnswer:
        answer = super().get(url, limit=limit)
        self.entered.set()
        assert self.go.wait(30)
        return answer

    entered: threading.Event
    go: threading.Event


def test_strangers_delay_nobody_while_keys_are_slow() -> None:
    """60 unknown key ids at once: one of them waits for Entra, and everybody else has an answer at once."""
    web = SlowWeb(answers={KEYS_URL: document(first=FIRST)})
    web.entered, web.go = threading.Event(), threading.Event()
    web.go.set()
    clock = ManualClock()
    tokens = EntraTokens(
        web, clock, authority=AUTHORITY, tenant=TENANT, audience=AUDIENCE, team_groups={GROUP: PAYMENTS}
    )
    tokens.verify(sign(claims()))
    clock.advance(timedelta(minutes=2))
    web.go.clear()
    web.entered.clear()
    ends: list[str] = []

    def strange(number: int) -> None:
        try:
            tokens.verify(sign(claims(), SECOND, kid=f"unknown-{number}"))
        except (PermanentError, TransientError) as error:
            ends.append(type(error).__name__)

    first = threading.Thread(target=strange, args=(0,))
    first.start()
    assert web.entered.wait(30)
    for number in range(1, 60):
        strange(number)  # nobody knows yet: they may ask again
    assert ends == ["TransientError"] * 59
    assert tokens.verify(sign(claims())).subject == "object"
    assert first.is_alive()
    web.go.set()
    first.join(30)
    assert ends[59:] == ["PermanentError"]
    for number in range(60):
        strange(number)
    assert ends[60:] == ["PermanentError"] * 60
    assert len(web.got) == 2
