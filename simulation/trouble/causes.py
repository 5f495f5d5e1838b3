"""What outages of the simulated platform consist of: refusals with the codes of Azure's error table, and reports.

Refusals are translated as the adapters do it. The reports have every class that a builder can report, of each owner.
"""

import random
from collections.abc import Callable, Sequence

from pipeline_core.domain.azure_code import AzureCode, Occasion
from pipeline_core.domain.azure_code_table import ROWS
from pipeline_core.domain.cloud_errors import CloudAnswer, error_of
from pipeline_core.domain.errors import (
    ErrorClass,
    ErrorScope,
    FactoryError,
    Owner,
    PermanentError,
    ScopeKind,
    TransientError,
)
from simulation.trouble.outages import ReportedCause

_STATUSES = {
    ErrorClass.THROTTLED: 429,
    ErrorClass.CAPACITY: 409,
    ErrorClass.QUOTA: 409,
    ErrorClass.NETWORK: 503,
    ErrorClass.TOKEN: 401,
    ErrorClass.CONFLICT: 409,
    ErrorClass.NOT_FOUND: 404,
    ErrorClass.PERMISSION: 403,
    ErrorClass.AZURE_POLICY: 403,
}  # of an answer with a code of this class; 400 otherwise
_ASKS_TO_WAIT = (429, 503)  # as Azure does with these
_WAIT_SECONDS = 1200  # longer than the factory would wait by itself at first
_OF_CREATIONS = ("Resource Manager", "Container Instances")
_OF_GALLERIES = ("Resource Manager", "Gallery")
_NEWEST = "QuantumFluxImbalance"  # a code that no rule knows
# The team's where nobody knows more. In these failures the builder knows that a step of the platform failed.
_BY_PLATFORM = (
    ErrorClass.POLICY,
    ErrorClass.TEMPLATE,
    ErrorClass.PROVISIONER,
    ErrorClass.COMPLIANCE,
    ErrorClass.SMOKE,
    ErrorClass.HYGIENE,
)
_UNREPORTED = frozenset({ErrorClass.PROVENANCE})  # only the factory itself looks at signatures
_HOSTS = ("rhui4-1.microsoft.com", "repo.example.com")
# Words that an attempt with a killed program reports, in either stage.
_KILLED = (
    "Packer was killed by SIGKILL after the last step",
    "openscap was killed by SIGKILL (exit status 137)",
)
# What the inputs of teams themselves fail by, in each attempt: a cause of the build, or a check of the machine.
TEAMS_OWN: tuple[ReportedCause | str, ...] = (
    *(
        ReportedCause(error_class=each.value, message=f"the input fails by {each.value}", is_of_input=True)
        for each in (ErrorClass.POLICY, ErrorClass.TEMPLATE, ErrorClass.PROVISIONER, ErrorClass.HYGIENE)
    ),
    "hygiene",
    "compliance",
)


def refusal_of_creation(chance: random.Random, size: str) -> Callable[[], FactoryError]:
    """Azure refuses a container group. With a size, the refusal names it."""
    return _refusal(_drawn(chance, _rows(_OF_CREATIONS)), "create the container group", size)


def refusal_of_change(chance: random.Random) -> Callable[[], FactoryError]:
    """Azure refuses a copy, or a change of a gallery version.

    What says that the thing or its holder does not exist is left out: that is an answer about the version.
    """
    rows = [row for row in _rows(_OF_GALLERIES) if row.error_class is not ErrorClass.NOT_FOUND]
    return _refusal(_drawn(chance, rows), "change the gallery version", "")


def _drawn(chance: random.Random, rows: Sequence[AzureCode]) -> AzureCode:
    """Of a class first, because half of the codes are of one class."""
    classes = sorted({row.error_class for row in rows}, key=str)
    drawn = chance.choice(classes)
    return chance.choice([row for row in rows if row.error_class is drawn])


def report_of_platform(chance: random.Random, size: str) -> ReportedCause:
    """A failure that no team owns, as a builder reports it: of a class that is drawn among all."""
    what = chance.randrange(len(ErrorClass) + len(_BY_PLATFORM) + 3)
    if what == 0:
        return ReportedCause(error_class="cosmic-ray", message="the builder is newer than the factory")
    if what in (1, 2):
        return _killed(chance, size)
    drawn = [*_BY_PLATFORM, *ErrorClass][what - 3]
    if drawn in _UNREPORTED:
        drawn = ErrorClass.UNKNOWN
    text = f"{drawn.value} of the simulated platform"
    owner = Owner.PLATFORM if drawn.owner is Owner.TEAM else None
    permanent = chance.choice((None, None, False)) if owner is None else None
    scope = _scope(chance, drawn, size)
    return ReportedCause(error_class=drawn.value, message=text, owner=owner, permanent=permanent, scope=scope)


def _killed(chance: random.Random, size: str) -> ReportedCause:
    scope = ErrorScope(kind=ScopeKind.SIZE, name=size) if size else None
    message = chance.choice(_KILLED)
    return ReportedCause(
        error_class=ErrorClass.EVICTION.value, message=message, owner=Owner.PLATFORM, scope=scope
    )


def _scope(chance: random.Random, drawn: ErrorClass, size: str) -> ErrorScope | None:
    if size:
        return ErrorScope(kind=ScopeKind.SIZE, name=size)
    if drawn is ErrorClass.MIRROR:
        return ErrorScope(kind=ScopeKind.ENDPOINT, name=chance.choice(_HOSTS))
    subscription = ErrorScope(kind=ScopeKind.SUBSCRIPTION, name="00000000-0000-0000-0000-000000000000")
    return chance.choice((None, subscription, ErrorScope(kind=ScopeKind.REGION, name="westeurope")))


def _rows(services: Sequence[str]) -> list[AzureCode]:
    """The rows of these services for a call, and one code that the table does not have."""
    rows = [
        row
        for row in ROWS
        if row.service in services
        and row.error_class is not None
        and row.occasion in (None, Occasion.CALL)
        and "*" not in row.code
    ]
    return [*rows, AzureCode(code=_NEWEST, service=services[0], error_class=None, source="")]


def _refusal(row: AzureCode, what: str, size: str) -> Callable[[], FactoryError]:
    """The error of the answer with this code, new at each call."""
    status = 400 if row.error_class is None else _STATUSES.get(row.error_class, 400)
    said = f"the outage has come ({', '.join(row.words[:1])})" if row.words else "the outage has come"
    headers = {"retry-after": str(_WAIT_SECONDS)} if status in _ASKS_TO_WAIT else {}
    answer = CloudAnswer(status=status, code=row.code, said=said, headers=headers)

    def refuse() -> FactoryError:
        error = error_of(answer, what)
        if size and isinstance(error, PermanentError | TransientError):
            error.scope = ErrorScope(kind=ScopeKind.SIZE, name=size)
        return error

    return refuse
