"""The errors of the factory. Each has a class, an owner and a permanence, and `CLASSES` is where they are decided.

`PermanentError` needs a person or a changed input, `TransientError` can end with time.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum, unique


@unique
class Owner(Enum):
    """Who must act on an error, or whose fault is waited for."""

    TEAM = "team"  # the owners of the image: their definition, their steps, their tests
    PLATFORM = "platform"  # SecOps: the factory, its steps, its rights, its settings
    AZURE = "azure"  # Azure itself: it ends by itself, or SecOps ask Microsoft
    UPSTREAM = "upstream"  # a publisher, a vendor or a package mirror


@unique
class ErrorClass(Enum):
    """What went wrong. `CLASSES` has what follows from it where nobody knows more."""

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
    MIRROR = "mirror"  # a package mirror or the update server of the publisher (RHUI) could not be reached
    UNKNOWN = "unknown"  # Azure refused with a code or an answer that no rule knows
    POLICY = "policy"  # the policy guard refused the definition, the bundle or the catalog
    TEMPLATE = "template"  # Packer refused the template, or Azure what the definition asks for
    PROVISIONER = "provisioner"  # a step inside the guest failed
    COMPLIANCE = "compliance"  # the scan is below the floor
    SMOKE = "smoke"  # the booted machine failed a test
    HYGIENE = "hygiene"  # the image holds something that no image may hold
    PROVENANCE = "provenance"  # no signed statement proves a version, or the statement is about another one
    NOT_FOUND = "not-found"  # something that the build needs does not exist
    PERMISSION = "permission"  # the identity may not do this
    TERMS = "terms"  # nobody has accepted the terms of the Marketplace plan in the subscription
    AZURE_POLICY = "azure-policy"  # a policy of the subscription or above it denies what the factory makes
    INTERNAL = "internal"  # the factory itself: a defect, or a record that this release cannot read

    @property
    def is_transient(self) -> bool:
        """True where the same input may succeed later without help."""
        return not CLASSES[self].permanent

    @property
    def owner(self) -> Owner:
        """Who must act, where what failed does not say it."""
        return CLASSES[self].owner

    @property
    def only_waits(self) -> bool:
        """True where something is missing for now: a build waits for it, and nothing has failed."""
        return self in (ErrorClass.CAPACITY, ErrorClass.QUOTA)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassRule:
    """What a class of error says by itself: who must act, and whether it stays until somebody does."""

    owner: Owner
    permanent: bool


# What failed decides first: a call of the factory is never a team's, a step of the platform neither. Who meets an
# error and knows that names owner and permanence in the failure; this table is for all others.
CLASSES: Mapping[ErrorClass, ClassRule] = {
    ErrorClass.THROTTLED: ClassRule(owner=Owner.AZURE, permanent=False),
    ErrorClass.CAPACITY: ClassRule(owner=Owner.AZURE, permanent=False),
    ErrorClass.QUOTA: ClassRule(owner=Owner.PLATFORM, permanent=False),
    ErrorClass.NETWORK: ClassRule(owner=Owner.AZURE, permanent=False),
    ErrorClass.TOKEN: ClassRule(owner=Owner.AZURE, permanent=False),
    ErrorClass.CONFLICT: ClassRule(owner=Owner.AZURE, permanent=False),
    ErrorClass.EVICTION: ClassRule(owner=Owner.AZURE, permanent=False),
    ErrorClass.REGISTRY: ClassRule(owner=Owner.PLATFORM, permanent=False),
    ErrorClass.MIRROR: ClassRule(owner=Owner.UPSTREAM, permanent=False),
    ErrorClass.UNKNOWN: ClassRule(owner=Owner.PLATFORM, permanent=False),
    ErrorClass.POLICY: ClassRule(owner=Owner.TEAM, permanent=True),
    ErrorClass.TEMPLATE: ClassRule(owner=Owner.TEAM, permanent=True),
    ErrorClass.PROVISIONER: ClassRule(owner=Owner.TEAM, permanent=True),
    ErrorClass.COMPLIANCE: ClassRule(owner=Owner.TEAM, permanent=True),
    ErrorClass.SMOKE: ClassRule(owner=Owner.TEAM, permanent=True),
    ErrorClass.HYGIENE: ClassRule(owner=Owner.TEAM, permanent=True),
    ErrorClass.PROVENANCE: ClassRule(owner=Owner.PLATFORM, permanent=True),
    ErrorClass.NOT_FOUND: ClassRule(owner=Owner.PLATFORM, permanent=True),
    ErrorClass.PERMISSION: ClassRule(owner=Owner.PLATFORM, permanent=True),
    ErrorClass.TERMS: ClassRule(owner=Owner.PLATFORM, permanent=True),
    ErrorClass.AZURE_POLICY: ClassRule(owner=Owner.PLATFORM, permanent=True),
    ErrorClass.INTERNAL: ClassRule(owner=Owner.PLATFORM, permanent=True),
}


@unique
class ScopeKind(Enum):
    """What an error of the platform is about; other things of the same kind may be well."""

    SUBSCRIPTION = "subscription"
    REGION = "region"
    SIZE = "size"  # of a machine
    SOURCE = "source"  # a Marketplace image
    ENDPOINT = "endpoint"  # a host: a registry, a package mirror, a service of Azure


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorScope:
    """Where an error holds, for example the region `westeurope`."""

    kind: ScopeKind
    name: str

    def __str__(self) -> str:
        return f"{self.kind.value}:{self.name}"


class FactoryError(Exception):
    """Base of every error of ours; its text says what happened, to what, and what to do."""


class InvalidValue(FactoryError, ValueError):
    """A text is not what its type demands.

    `kind` is that type in words, like "a name of an image"; `rule` is what to give.
    """

    def __init__(self, kind: str, value: str, rule: str) -> None:
        super().__init__(f"{value[:120]!r} is not {kind}: give {rule}")
        self.kind = kind
        self.rule = rule


class PermanentError(FactoryError):
    """Trying again with the same input gives the same answer.

    `owner` is named only by code that knows better than the class; `scope` where the error holds, if that is known.
    """

    def __init__(
        self,
        error_class: ErrorClass,
        message: str,
        *,
        owner: Owner | None = None,
        scope: ErrorScope | None = None,
    ) -> None:
        super().__init__(message)
        self.error_class = error_class
        self.owner = owner
        self.scope = scope


class TransientError(FactoryError):
    """The same call may succeed later; `retry_after` is the earliest time the other side allows.

    `scope` says where the error holds, if that is known.
    """

    def __init__(
        self,
        error_class: ErrorClass,
        message: str,
        *,
        retry_after: timedelta | None = None,
        scope: ErrorScope | None = None,
    ) -> None:
        super().__init__(message)
        self.error_class = error_class
        self.retry_after = retry_after
        self.scope = scope


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


class LatestRefused(TransientError):
    """The platform refused to put a version into `latest` or to take it out, where no build asks for it.

    The class and the scope are those of the refusal, which may itself be of a permanent class. No message and no image
    is at fault, so it is tried again, and the platform breaker names it.
    """


class OverLimit(TransientError):
    """A limit of the policy is reached for now. The text says which one, and `retry_after` when it ends."""

    def __init__(self, message: str, *, retry_after: timedelta) -> None:
        super().__init__(ErrorClass.THROTTLED, message, retry_after=retry_after)


class BeingMade(TransientError):
    """The platform still makes what was asked for. Nothing has failed: look again soon."""

    def __init__(self, message: str) -> None:
        super().__init__(ErrorClass.CONFLICT, message)


class QuarantineFull(TransientError):
    """The subscription of a quarantine gallery is at its limit of image definitions. Room there helps."""

    def __init__(self, message: str, *, retry_after: timedelta | None = None) -> None:
        super().__init__(ErrorClass.QUOTA, message, retry_after=retry_after)


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
    """The proof of a version is missing, is not signed by a trusted key, or is about another version.

    `is_of_version` is True where only this version is wrong, such as one whose tags somebody changed: no other
    version has the same cause, and no time ends it. `is_unpublished` is True where all holds but that no record of its
    publication exists: it is on its way, or it never was let into `latest`.
    """

    def __init__(self, message: str, *, is_of_version: bool = False, is_unpublished: bool = False) -> None:
        super().__init__(ErrorClass.PROVENANCE, message)
        self.is_of_version = is_of_version
        self.is_unpublished = is_unpublished


class UnreadableRow(PermanentError):
    """This release cannot read a stored row: a newer one wrote it, or somebody changed it by hand.

    What the row is about is unknown until the row can be read. It is never rewritten.
    """

    def __init__(self, message: str, *, partition: str, key: str) -> None:
        super().__init__(ErrorClass.INTERNAL, message)
        self.partition = partition
        self.key = key


class AlreadyExists(FactoryError):
    """An insert found a row, blob or resource of the same name."""


class StaleWrite(FactoryError):
    """A conditional write found a row that had changed since it was read."""


class MalformedMessage(FactoryError):
    """A queue message or event that no version of this factory wrote; it belongs in poison, with a record."""


class UnlistedTransition(FactoryError):
    """A build was to move in a way that the transition table does not list."""
