"""What one row about an error code of Azure says. The rows are in `azure_code_table`, the search in `azure_codes`."""

from dataclasses import dataclass
from enum import Enum, unique
from fnmatch import fnmatchcase

from pipeline_core.domain.errors import ErrorClass


@unique
class Occasion(Enum):
    """Where a code was met. A few codes mean another thing there."""

    CALL = "call"  # the answer to a call of the factory
    BUILD = "build"  # what Packer said while it built
    VERIFY = "verify"  # what Packer said while it booted and tested a version


@dataclass(frozen=True, slots=True, kw_only=True)
class AzureCode:
    """One row. `error_class` is None where the code only wraps the code that decides.

    A `*` in `code` stands for any letters. With `words` the row holds only if one of them is in the message, in
    lower case. With `occasion` it holds only there. `is_vague` says that many causes have this code: the status of
    an answer decides then, and in a text any other code does. `source` is empty where the row is unconfirmed.
    """

    code: str
    service: str
    error_class: ErrorClass | None
    source: str
    words: tuple[str, ...] = ()
    occasion: Occasion | None = None
    is_vague: bool = False

    def fits(self, code: str) -> bool:
        """True where this row is about `code`, given in lower case."""
        return fnmatchcase(code, self.code.lower())

    def holds(self, said: str, occasion: Occasion) -> bool:
        """True where the message (in lower case) and the occasion meet the row's conditions."""
        if self.occasion not in (None, occasion):
            return False
        return not self.words or any(word in said for word in self.words)
