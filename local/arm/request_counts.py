"""What was asked: a count by route, and what the proxy refused. Tests hold the factory to these numbers."""

from collections import Counter

from local.arm.wire import Json


class RequestCounts:
    """Counts of requests. `arm` counts calls of Resource Manager alone; identity and keys are `other`."""

    def __init__(self) -> None:
        self._arm: Counter[str] = Counter()
        self._other: Counter[str] = Counter()
        self._refused: list[str] = []

    def count(self, route: str, *, is_arm: bool) -> None:
        """One request more on a route."""
        (self._arm if is_arm else self._other)[route] += 1

    def refuse(self, destination: str) -> None:
        """The proxy refused a destination."""
        if len(self._refused) < 1000:  # a program that tries for ever must not fill the memory
            self._refused.append(destination)

    def reset(self) -> None:
        """Start again from zero."""
        self._arm.clear()
        self._other.clear()
        self._refused.clear()

    def shown(self) -> Json:
        """The numbers as control gives them."""
        return {
            "total": self._arm.total(),
            "routes": dict(sorted(self._arm.items())),
            "other": dict(sorted(self._other.items())),
            "refused": list(self._refused),
        }
