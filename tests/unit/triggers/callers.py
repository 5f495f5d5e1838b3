"""Who calls the API in tests, and the twin that reads their tokens."""

from pipeline_core.domain import access
from pipeline_core.domain.errors import ErrorClass, PermanentError, TransientError
from pipeline_core.domain.names import TeamName
from pipeline_core.ports import Principal

CALLERS = {
    "nobody": Principal(subject="n", name="Nobody"),
    "reader": Principal(subject="r", name="Reader", roles=frozenset({access.READER})),
    "team": Principal(subject="t", name="Member", teams=frozenset({TeamName("payments")})),
    "other-team": Principal(subject="o", name="Other", teams=frozenset({TeamName("ml")})),
    "admin": Principal(subject="a", name="Admin", roles=frozenset({access.ADMIN})),
}


class Tokens:
    """A token is `good.CALLER`; everything else is refused."""

    def verify(self, token: str) -> Principal:
        kind, _, caller = token.partition(".")
        if kind == "unreachable":
            raise TransientError(ErrorClass.NETWORK, "keys at https://login.example/keys do not answer")
        if kind == "expired":
            raise PermanentError(ErrorClass.PERMISSION, "the token has expired: sign in again")
        if kind != "good" or caller not in CALLERS:
            raise PermanentError(ErrorClass.PERMISSION, "the token's signature is not valid")
        return CALLERS[caller]
