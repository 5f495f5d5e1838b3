"""Who is notified: ids that show no address, and what SecOps' own receivers want."""

import re

import pytest

from pipeline_core.domain.errors import InvalidValue
from pipeline_core.domain.journal import Event
from pipeline_core.domain.names import TeamName
from pipeline_core.domain.receivers import ALERTS, SECRET_PREFIX, FleetReceiver, ReceiverId, place_of

URL = "https://hooks.example.com/services/token?key=1"
TEAM = TeamName("pay-ments")


def test_an_id_names_its_team_and_does_not_show_the_address() -> None:
    made = ReceiverId.of(URL, TEAM)
    assert made.team == TEAM
    assert "token" not in str(made)
    assert made == ReceiverId.of(URL, TEAM)


def test_two_owners_of_one_address_are_two_receivers() -> None:
    ids = {ReceiverId.of(URL, team) for team in (TEAM, TeamName("secops"), None)}
    assert len({each.secret_name for each in ids}) == 3
    assert ReceiverId.of(URL, None).team is None


@pytest.mark.parametrize("team", ["a", "a" * 63, "pay-ments"])
def test_the_name_of_a_secret_is_one_that_key_vault_takes(team: str) -> None:
    name = ReceiverId.of(URL, TeamName(team)).secret_name
    assert re.fullmatch(r"[0-9a-zA-Z-]{1,127}", name)
    assert name.startswith(SECRET_PREFIX)


@pytest.mark.parametrize(
    "text",
    ["", "payments", "payments--xyz", "../a", "Payments--0123456789abcdef", f"{'a' * 64}--0123456789abcdef"],
)
def test_other_texts_are_no_ids(text: str) -> None:
    with pytest.raises(InvalidValue):
        ReceiverId(text)


def test_a_receiver_of_the_fleet_wants_its_events_and_everything_of_bases() -> None:
    alerts = FleetReceiver(url=URL, events=ALERTS)
    bases = FleetReceiver(url=URL, bases=True)
    assert alerts.id == bases.id
    assert alerts.wants(Event.STALLED, is_base=False)
    assert not alerts.wants(Event.QUEUED, is_base=True)
    assert bases.wants(Event.QUEUED, is_base=True)
    assert not bases.wants(Event.QUEUED, is_base=False)


@pytest.mark.parametrize(
    ("receiver", "words"),
    [
        (FleetReceiver(url=URL, events=ALERTS), "every alarm"),
        (FleetReceiver(url=URL, bases=True), "every event of bases"),
        (FleetReceiver(url=URL, events=ALERTS - {Event.LATE} | {Event.REUSED}), None),
        (
            FleetReceiver(url=URL, events=ALERTS | {Event.REUSED, Event.QUEUED}, bases=True),
            "every alarm, every event of bases, build.queued, image.reused",
        ),
    ],
)
def test_what_a_receiver_of_the_fleet_wants_is_said_in_words(
    receiver: FleetReceiver, words: str | None
) -> None:
    each_event = ", ".join(sorted(event.value for event in receiver.events))  # where an alarm is missing
    assert receiver.wish == (each_event if words is None else words)
    assert receiver.has_alerts is (Event.LATE in receiver.events)


def test_people_see_scheme_and_host() -> None:
    assert place_of(URL) == "https://hooks.example.com"
    assert place_of("nonsense") == "://"
