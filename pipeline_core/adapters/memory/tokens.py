"""Tokens in memory: known by a table instead of by a signature."""

from pipeline_core.domain.errors import ErrorClass, PermanentError
from pipeline_core.ports import Principal


class MemoryTokens:
    """A token is any text that was granted."""

    def __init__(self) -> None:
        self._principals: dict[str, Principal] = {}

    def grant(self, token: str, principal: Principal) -> None:
        """From now on `token` proves `principal`."""
        self._principals[token] = principal

    def verify(self, token: str) -> Principal:
        """The caller, or PermanentError (PERMISSION)."""
        if token not in self._principals:
            raise PermanentError(ErrorClass.PERMISSION, "the token is not valid: sign in again")
        return self._principals[token]
