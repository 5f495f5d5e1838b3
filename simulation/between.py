"""Ports that inject faults between calls. In a simulated world one is in front of each twin."""

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, cast

from pipeline_core.adapters.memory.ports import MemoryPorts
from pipeline_core.domain.errors import AlreadyExists, ErrorClass, StaleWrite, TransientError
from pipeline_core.ports import (
    Blobs,
    Clock,
    Containers,
    Galleries,
    MarketplaceOffers,
    Ports,
    Queues,
    Resources,
    Scanner,
    Signer,
    Tables,
    Web,
    WriteKind,
)
from simulation.faults import Injector, Killed, Kind

_ALWAYS = (Kind.KILLED, Kind.REFUSED, Kind.OVERTAKEN)
_READ = _ALWAYS
_LIST = (*_ALWAYS, Kind.STALE)  # a list of a service that may answer from a cache
_CHANGE = (*_ALWAYS, Kind.UNANSWERED)
_WRITE = (*_CHANGE, Kind.CONFLICTING)
_KINDS: Mapping[str, Mapping[str, tuple[Kind, ...]]] = {
    "tables": {"find": _READ, "scan": _READ, "write": _WRITE},
    "queues": {"send": _CHANGE},
    "blobs": {
        "create": _CHANGE,
        "create_from": _CHANGE,
        "read": _READ,
        "find_facts": _READ,
        "list": _READ,
        "delete": _CHANGE,
    },
    "scanner": {"ask": _READ},
    "marketplace": {"list_versions": _LIST, "get_image": _READ, "list_names": _LIST},
    "galleries": {
        "find_image": _READ,
        "ensure_image": _CHANGE,
        "find_version": _READ,
        "list_versions": _LIST,
        "list_images": _LIST,
        "begin_copy": _CHANGE,
        "set_excluded": _CHANGE,
        "set_life": _CHANGE,
        "set_regions": _CHANGE,
        "begin_delete": _CHANGE,
    },
    "containers": {
        "find_group": _READ,
        "create_group": _CHANGE,
        "delete_group": _CHANGE,
    },
    "resources": {
        "list_build_resources": _LIST,
        "list_build_versions": _LIST,
        "begin_delete": _CHANGE,
    },
    "signer": {"sign": _READ, "find_signer": _READ},
    "web": {"post": _CHANGE},
}
_CHANGES = frozenset(
    f"{port}.{method}"
    for port, kinds in _KINDS.items()
    for method, each in kinds.items()
    if Kind.UNANSWERED in each
)
_REFUSALS = (
    (ErrorClass.THROTTLED, timedelta(seconds=10)),
    (ErrorClass.THROTTLED, None),
    (ErrorClass.CONFLICT, None),
    (ErrorClass.NETWORK, None),
)

Overtake = Callable[[], None]
Refuse = Callable[[str, tuple[Any, ...]], None]
Unsure = Callable[..., None]
Watcher = Callable[[str, tuple[Any, ...], Mapping[str, Any]], None]


def _nobody() -> None:
    """No other handler overtakes."""


def _nothing(name: str, given: tuple[Any, ...]) -> None:
    """No outage refuses the call."""


def _sure(*given: object) -> None:
    """Nobody counts messages that are sent again."""


@dataclass(slots=True, kw_only=True)
class Calls:
    """What the ports in front of the twins share: faults, outages, overtaking handlers and the watcher."""

    injector: Injector
    watch: Watcher
    overtake: Overtake = _nobody
    refuse: Refuse = _nothing  # raises the error of an outage that the call meets
    are_tables_down: Callable[[], bool] | None = None  # true while every call of the tables fails
    unsure: Unsure = _sure  # a message was sent, and its sender does not know: it sends it again
    changes: int = 0  # calls that changed something
    moves: int = 0  # changes that did more than send a message
    trace: Callable[[str], None] | None = None
    retries_blindly: bool = False  # after a lost answer, a repeated write conflicts with itself


class Port:
    """One twin behind faults. An attribute that is not a method of the port is the twin's own."""

    def __init__(self, name: str, twin: object, calls: Calls) -> None:
        self._name = name
        self._twin = twin
        self._calls = calls
        self._before: dict[str, Any] = {}

    def __getattr__(self, method: str) -> Any:
        bound = getattr(self._twin, method)
        kinds = _KINDS.get(self._name, {}).get(method)
        if kinds is None:
            return bound
        call = self._wrapped(f"{self._name}.{method}", bound, kinds)
        setattr(self, method, call)
        return call

    def _wrapped(self, name: str, bound: Callable[..., Any], kinds: tuple[Kind, ...]) -> Callable[..., Any]:
        calls, is_change, subject = self._calls, name in _CHANGES, _subject_of(name)
        moves, lists = name != "queues.send", Kind.STALE in kinds
        fewer, is_table = kinds[:-1], name.startswith("tables.")

        def can_strike(given: tuple[Any, ...], place: str) -> bool:
            """False if the last kind of fault cannot occur: there is no earlier list, or no ETag to conflict with."""
            if lists:
                return place in self._before
            return kinds is not _WRITE or _is_conditional(given)

        def call(*given: Any, **named: Any) -> Any:
            if is_table and calls.are_tables_down is not None and calls.are_tables_down():
                raise TransientError(ErrorClass.NETWORK, f"{name} was refused: the tables are down")
            place = f"{name}:{subject(given)}"
            kind, fraction = calls.injector.draw(place, kinds if can_strike(given, place) else fewer)
            match kind:
                case None:
                    pass
                case Kind.KILLED:
                    raise Killed(place)
                case Kind.REFUSED:
                    error_class, after = _REFUSALS[int(fraction * len(_REFUSALS))]
                    raise TransientError(error_class, f"{name} was refused (injected)", retry_after=after)
                case Kind.CONFLICTING:
                    raise StaleWrite(f"{place} was changed by another writer (injected)")
                case Kind.STALE:
                    return self._before[place]
                case Kind.OVERTAKEN:
                    calls.overtake()
            if is_change:
                calls.refuse(name, given)
            answer = bound(*given, **named)
            if is_change:
                calls.changes += 1
                calls.moves += moves and not _is_cursor(name, given)
                if calls.trace is not None:
                    calls.trace(f"    {place}")
            calls.watch(name, given, named)
            if lists:
                self._before[place] = answer
            if kind is Kind.UNANSWERED and calls.retries_blindly and name == "tables.write":
                error = StaleWrite if _is_conditional(given) else AlreadyExists
                raise error(f"{place} conflicts with its own first try (injected)")
            if kind is Kind.UNANSWERED:
                if not moves:
                    calls.unsure(*given)
                raise TransientError(ErrorClass.NETWORK, f"the answer of {name} was lost (injected)")
            return answer

        return call


def _is_cursor(name: str, given: tuple[Any, ...]) -> bool:
    """True for the note of a timer how far it has come: a world at rest is polled and looked at in rounds for ever."""
    return name == "tables.write" and all(
        (write.row.partition, write.row.key) == ("observed", "round")
        or write.row.partition in ("rounds", "sources")
        for write in given[1]
    )


def _is_conditional(given: tuple[Any, ...]) -> bool:
    return any(write.verb is not WriteKind.INSERT for write in given[1])


def _subject_of(name: str) -> Callable[[tuple[Any, ...]], str]:
    """The subject of a call, without the parts that differ between two runs of the same story."""
    match name:
        case "tables.write":
            return _row
        case "tables.find" | "tables.scan":
            return "/".join
        case "containers.create_group":
            return lambda given: str(given[0].name)
        case "galleries.begin_copy" | "galleries.set_life":
            return lambda given: f"{given[0].image}@{given[0].version}"
        case _:
            return _names


def _row(given: tuple[Any, ...]) -> str:
    row = given[1][0].row
    return f"{given[0]}/{row.partition}/{row.key.partition(':2')[0]}"


def _names(given: tuple[Any, ...]) -> str:
    return "/".join([str(each)[:90] for each in given[:3] if _names_something(each.__class__)])


@functools.cache  # asked at every call of a port, about a dozen types
def _names_something(kind: type) -> bool:
    return issubclass(kind, str | int) or kind.__module__.startswith("pipeline_core.domain")


@dataclass(slots=True, kw_only=True)
class SkewedClock:
    """The clock of the running handler. It may be fast or slow until that handler ends."""

    clock: Clock
    skew: timedelta = timedelta(0)

    def now(self) -> datetime:
        """The handler's time."""
        return self.clock.now() + self.skew


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultyPorts(Ports):
    """The ports that the services of a simulated world get."""

    clock: SkewedClock
    calls: Calls = field(repr=False)


def behind(twins: MemoryPorts, calls: Calls) -> FaultyPorts:
    """Put every twin behind the same source of faults."""

    def port(name: str) -> Any:
        return Port(name, getattr(twins, name), calls)

    return FaultyPorts(
        tables=cast(Tables, port("tables")),
        queues=cast(Queues, port("queues")),
        blobs=cast(Blobs, port("blobs")),
        scanner=cast(Scanner, port("scanner")),
        marketplace=cast(MarketplaceOffers, port("marketplace")),
        galleries=cast(Galleries, port("galleries")),
        containers=cast(Containers, port("containers")),
        resources=cast(Resources, port("resources")),
        secrets=twins.secrets,
        signer=cast(Signer, port("signer")),
        web=cast(Web, port("web")),
        tokens=twins.tokens,
        clock=SkewedClock(clock=twins.clock),
        chance=twins.chance,
        reads=twins.reads,
        logs=twins.logs,
        calls=calls,
    )
