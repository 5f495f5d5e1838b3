"""One POST to a receiver, and what it says. It raises nothing: every failure is the receiver's, and has its reason."""

from collections.abc import Mapping

from pipeline_core.domain import feeds
from pipeline_core.domain.errors import FactoryError
from pipeline_core.domain.feeds import DeliveryOutcome
from pipeline_core.ports import Web

_ANSWER_LIMIT = 4096  # bytes of an answer that are read


def exchange(web: Web, url: str, body: bytes, headers: Mapping[str, str]) -> tuple[DeliveryOutcome, str]:
    """The outcome, and for people why it is not an acceptance. Ends within the port's 20 s."""
    try:
        answer = web.post(url, body, headers, limit=_ANSWER_LIMIT)
    except FactoryError as error:
        return DeliveryOutcome.FAILED, str(error)[:300]
    outcome = feeds.outcome_of(answer.status)
    return outcome, "" if outcome is DeliveryOutcome.ACCEPTED else f"it answered {answer.status}"
