"""One POST to a receiver, and what it says. It raises nothing: every failure is the receiver's, and has its reason."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from pipeline_core.domain import feeds
from pipeline_core.domain.errors import FactoryError
from pipeline_core.domain.feeds import DeliveryOutcome
from pipeline_core.ports import Web

_ANSWER_LIMIT = 4096  # bytes of an answer that are read
_ASKS_TO_WAIT = (429, 503)  # only with these a receiver's Retry-After is about the next request


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiverAnswer:
    """The outcome, and for people why it is not an acceptance. `wait` is what the receiver asks for, or None."""

    outcome: DeliveryOutcome
    why: str = ""
    wait: timedelta | None = None


def exchange(web: Web, url: str, body: bytes, headers: Mapping[str, str]) -> ReceiverAnswer:
    """What the receiver says. Ends within the port's 20 s."""
    try:
        answer = web.post(url, body, headers, limit=_ANSWER_LIMIT)
    except FactoryError as error:
        return ReceiverAnswer(outcome=DeliveryOutcome.FAILED, why=str(error)[:300])
    outcome = feeds.outcome_of(answer.status)
    if outcome is DeliveryOutcome.ACCEPTED:
        return ReceiverAnswer(outcome=outcome)
    wait = answer.retry_after if answer.status in _ASKS_TO_WAIT else None
    return ReceiverAnswer(outcome=outcome, why=f"it answered {answer.status}", wait=wait)
