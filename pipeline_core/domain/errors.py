"""The two kinds of error: permanent (a person or a changed input repairs it) and transient (it can end with time)."""

from datetime import timedelta
from enum import Enum, unique


@unique
class ErrorClass(Enum):
    """What went wrong. The class decides about retries and about who must act."""

    THROTTLED = "throttled"  # a rate limit; the platform says when to try again
    CAPACITY = "capacity"  # the region has no room for the size that was asked for
    QUOTA = "quota"  # the subscription's limit is reached
    NETWORK = "network"  # no answer, or an answer of a broken server
    TOKEN = "token"  # noqa: S105 - an access token was missing or had run out
    CONFLICT = "conflict"  # another operation holds the resource
    EVICTION = "eviction"  # the platform took the machine or the container away
    REGISTRY = (
        "registry"  # the registry or its token could not be reached, so no container of a build started
    )
    POLICY = "policy"  # the policy guard refused the definition, the bundle or the catalog
    TEMPLATE = "template"  # Packer refused the template
    PROVISIONER = "provisioner"  # a step inside the guest failed
    COMPLIANCE = "compliance"  # the scan is below the floor
    SMOKE = "smoke"  # the booted machine failed a test
    HYGIENE = "hygiene"  # the image holds something that no image may hold
    PROVENANCE = "provenance"  # no signed statement proves a version, or the statement is about another one
    NOT_FOUND = "not-found"  # something that the build needs does not exist
    PERMISSION = "permission"  # the identity may not do this
    TERMS = "terms"  # nobody has accepted the terms of the Marketplace plan in the subscription
    AZURE_POLICY = "azure-policy"  # a policy of the subscription or above it denies what the factory makes

    @property
    def is_transient(self) -> bool:
        """True where the same input may succeed later without help."""
        return self in _TRANSIENT

    @property
    def owner(self) -> str:
        """Who must act: `platform` (SecOps) or `team` (the image's owners)."""
        return "team" if self in _TEAM_OWNED else "platform"


_TRANSIENT = frozenset(
    {
        ErrorClass.THROTTLED,
        ErrorClass.CAPACITY,
        ErrorClass.QUOTA,
        ErrorClass.NETWORK,
        ErrorClass.TOKEN,
        ErrorClass.CONFLICT,
        ErrorClass.EVICTION,
        ErrorClass.REGISTRY,
    }
)
_TEAM_OWNED = frozenset(
    {
        ErrorClass.POLICY,
        ErrorClass.TEMPLATE,
        ErrorClass.PROVISIONER,
        ErrorClass.COMPLIANCE,
        ErrorClass.SMOKE,
        ErrorClass.HYGIENE,
    }
)


class FactoryError(Exception):
    """Base of every error of ours; its text says what happened, to what, and what to do."""


class InvalidValue(FactoryError, ValueError):
    """A text is not what its type demands."""

    def __init__(self, kind: str, value: str, rule: str) -> None:
        super().__init__(f"{value[:120]!r} is not a valid {kind}: give {rule}")
        self.kind = kind
        self.rule = rule


class PermanentError(FactoryError):
    """Trying again with the same input gives the same answer."""

    def __init__(self, error_class: ErrorClass, message: str) -> None:
        super().__init__(message)
        self.error_class = error_class


class TransientError(FactoryError):
    """The same call may succeed later; `retry_after` is the earliest time the other side allows."""

    def __init__(
        self, error_class: ErrorClass, message: str, *, retry_after: timedelta | None = None
    ) -> None:
        super().__init__(message)
        self.error_class = error_class
        self.retry_after = retry_after


class TablesLost(TransientError):
    """The factory's tables, or their rows, are gone. Nothing is known of any image: it may well be registered.

    Work waits until SecOps has recovered the records. The text says how.
    """

    def __init__(self, message: str) -> None:
        remedy = "SecOps runs `terraform apply` where the tables are missing, then `imagefactory state recover --force`"
        super().__init__(ErrorClass.NETWORK, f"{message}: {remedy}")


class Contended(TransientError):
    """Other writers changed the same thing first, again and again."""

    def __init__(self, message: str, *, retry_after: timedelta | None = None) -> None:
        super().__init__(ErrorClass.CONFLICT, message, retry_after=retry_after)


class BeingMade(TransientError):
    """The platform still makes what was asked for. Nothing has failed: look again soon."""

    def __init__(self, message: str) -> None:
        super().__init__(ErrorClass.CONFLICT, message)


class NotFound(PermanentError):
    """What was asked for does not exist."""

    def __init__(self, message: str) -> None:
        super().__init__(ErrorClass.NOT_FOUND, message)


class ParentNotFound(NotFound):
    """What the thing would belong to does not exist, or was made so recently that it is not known everywhere."""


class NotAllowed(PermanentError):
    """The identity may not do this, or it was allowed so recently that this is not known everywhere."""

    def __init__(self, message: str) -> None:
        super().__init__(ErrorClass.PERMISSION, message)


class NotProven(PermanentError):
    """The proof of a version is missing, is not signed by a trusted key, or is about another version."""

    def __init__(self, message: str) -> None:
        super().__init__(ErrorClass.PROVENANCE, message)


class AlreadyExists(FactoryError):
    """An insert found a row, blob or resource of the same name."""


class StaleWrite(FactoryError):
    """A conditional write found a row that had changed since it was read."""


class MalformedMessage(FactoryError):
    """A queue message or event that no version of this factory wrote; it belongs in poison, with a record."""


class UnlistedTransition(FactoryError):
    """A build was to move in a way that the transition table does not list."""
