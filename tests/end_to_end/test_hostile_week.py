"""A hostile team's week: everything that review 12 tried, in a row against a running stack. Nothing is gained."""

import json
from collections.abc import Iterator

import pytest

from local.run import stack
from tests.end_to_end.hostile import behind, content, factory, rights, strangers, texts
from tests.end_to_end.hostile.attempts import Attempt
from tests.end_to_end.hostile.factory import Week

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]
DAYS: dict[str, tuple[Attempt, ...]] = {
    "Monday": (*texts.NAMES, *rights.TOKENS),
    "Tuesday": rights.OWNERSHIP,
    "Wednesday": (*content.BUNDLES, *content.FILES, *content.LIMITS),
    "Thursday": (*texts.TEXTS, *texts.ADDRESSES),
    "Friday": (*texts.PROOFS, *texts.YAML),
    "Saturday": (*behind.SECOPS, *behind.BEHIND, *behind.LOCAL),
}


@pytest.fixture
def week(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Week]:
    """A stack with images of SecOps and payments, and one group of Entra that is payments'."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FACTORY_TEAM_GROUPS", json.dumps({factory.GROUP: "payments"}))
        folder = tmp_path_factory.mktemp("week")
        with stack.running(folder) as running:
            made = Week(running=running, folder=folder)
            factory.seed(made)
            yield made


def test_a_hostile_week_gains_nothing(week: Week) -> None:
    """Each day's attempts in a row; then what a stranger must not change is compared with what it was."""
    honest = texts.verify(texts.genuine)(week)
    assert (honest.status, "is verified" in honest.text) == (0, True), (
        honest
    )  # so that a refusal means something
    gained: list[str] = []
    before = strangers.snapshot(week)
    for day, attempts in DAYS.items():
        for attempt in attempts:
            got = attempt.outcome(week)
            gained += [f"{day}, finding {attempt.finding}, {attempt.what}: {got}"] if got else []
        strangers.settle(week)
        after = strangers.snapshot(week)
        gained += [f"{day}: {each}" for each in strangers.differences(before, after)]
        before = after
    count = sum(len(attempts) for attempts in DAYS.values())
    print(f"{count} attempts, {len(gained)} gained")
    assert gained == [], "\n".join(gained)
