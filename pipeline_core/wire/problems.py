"""The problems of a document, bundle or catalog that was refused: the place, the error and the repair."""

from collections.abc import Iterable
from dataclasses import dataclass

from pipeline_core.domain.errors import FactoryError


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One error; `path` is its place (`spec.build.timeout`), `rule` the guard's rule, if one refused."""

    path: str
    message: str
    remedy: str
    rule: str = ""

    def __str__(self) -> str:
        """One line for people."""
        return f"{self.path}: {self.message}; {self.remedy}"


class InvalidDocument(FactoryError):
    """A document, bundle or catalog was refused. `problems` holds every reason, not only the first."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        count = len(self.problems)
        heading = "1 thing is wrong" if count == 1 else f"{count} things are wrong"
        super().__init__("\n".join([f"{heading}; nothing was accepted:", *map(str, self.problems)]))
