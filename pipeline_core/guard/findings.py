"""What the guard objects to, with its rule, place, message and remedy. Judges nothing itself."""

from dataclasses import dataclass

from pipeline_core.guard.rules import GuardRule
from pipeline_core.wire.problems import Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One objection; `place` is a file, a line or a path in a document.

    Never holds the secret that it is about.
    """

    rule: GuardRule
    place: str
    message: str
    remedy: str

    def as_problem(self) -> Problem:
        """The finding among the other problems of a document."""
        return Problem(path=self.place, message=self.message, remedy=self.remedy, rule=self.rule.value)

    def __str__(self) -> str:
        """One line for people."""
        return f"{self.place}: {self.message}; {self.remedy} [{self.rule}]"
