"""One row for one attempt, and what rows are made of."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.end_to_end.hostile.factory import EVE, Answer, Caller, Do, Week, ask, document

NEW = {"If-None-Match": "*"}
WHY = {"reason": "because"}
NO_ROLE = "problem:forbidden"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One row. `finding` is a number of the review, 0 for what held before."""

    finding: int
    what: str
    do: Do
    status: int
    text: str

    def __post_init__(self) -> None:
        if not self.text:
            raise ValueError(f"{self.what}: say which text is expected, or it may pass by a typo")

    def outcome(self, week: Week) -> str:
        """Try it; what was got instead of what is expected, empty if nothing."""
        answer = self.do(week)
        if answer.status == self.status and self.text in answer.text:
            return ""
        return f"{self.status} with {self.text!r} was expected, not {answer.status} {answer.text[:500]}"


def row(finding: int, what: str, do: Do, status: int, text: str) -> Attempt:
    return Attempt(finding=finding, what=what, do=do, status=status, text=text)


def put(name: str, caller: Caller = EVE, *, on: str = "", bundle: str = "{evil_bundle}", **more: Any) -> Do:
    """A registration; `on` is the ETag that it replaces."""
    body = {"document": more.pop("document", None) or document(name, **more), "bundle": bundle}
    return ask("PUT", f"/api/images/{name}", caller, json=body, headers={"If-Match": on} if on else NEW)


def changed(**spec: Any) -> dict[str, Any]:
    """A new image of team evil with other parts of its `spec`, or of its `metadata` as `metadata_KEY`."""
    made = document("evil-new")
    for key, value in spec.items():
        part = made["metadata"] if key.startswith("metadata_") else made["spec"]
        key = key.removeprefix("metadata_")
        part[key] = {**part[key], **value} if isinstance(value, dict) and key in part else value
    return made


def repeat(most: int, ask_once: Callable[[int], Do]) -> Do:
    """Ask until something is refused with 4xx other than 404, `most` times. The text begins with how many were not."""

    def do(week: Week) -> Answer:
        for count in range(most):
            answer = ask_once(count)(week)
            if answer.status >= 400 and answer.status != 404:
                return Answer(answer.status, f"after {count}: {answer.text}")
        return Answer(200, f"{most} times, without a refusal")

    return do
