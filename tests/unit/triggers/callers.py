"""Who calls the API in tests, and the twin that reads their tokens."""

from pipeline_core.domain import access
from pipeline_core.domain.errors import ErrorClass, PermanentError, TransientError
from pipeline_core.ports import Principal

CALLERS = {
    "nobody": Principal(subject="n", name="Nobody", roles=frozenset(), groups=frozenset()),
    "directory-group": Principal(
        subject="d",
        name="Directory",
        roles=frozenset(),
        groups=frozenset({"a1b2c3d4-0000-4000-8000-00805f9b34fb"}),
    ),
    "reader": Principal(subject="r", name="Reader", roles=frozenset({access.READER}), groups=frozenset()),
    "team": Principal(subject="t", name="Member", roles=frozenset({"Team.payments"}), groups=frozenset()),
    "team-by-group": Principal(subject="g", name="Group", roles=frozenset(), groups=frozenset({"payments"})),
    "other-team": Principal(subject="o", name="Other", roles=frozenset({"Team.ml"}), groups=frozenset()),
    "admin": Principal(subject="a", name="Admin", roles=frozenset({access.ADMIN}), groups=frozenset()),
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
