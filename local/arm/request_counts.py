"""Counts of requests by route, and the destinations that the proxy refused. Tests check the factory by them."""

from collections import Counter

from local.arm.wire import Json


class RequestCounts:
    """Counts of requests. `arm` counts only calls of Resource Manager. Identity and keys are `other`."""

    def __init__(self) -> None:
        self._arm: Counter[str] = Counter()
        self._other: Counter[str] = Counter()
        self._refused: list[str] = []

    def count(self, route: str, *, is_arm: bool) -> None:
        """Count one request on a route."""
        (self._arm if is_arm else self._other)[route] += 1

    def refuse(self, destination: str) -> None:
        """The proxy refused a destination."""
        if len(self._refused) < 1000:  # a program that tries without end must not fill the memory
            self._refused.append(destination)

    def reset(self) -> None:
        """Start again from zero."""
        self._arm.clear()
        self._other.clear()
        self._refused.clear()

    def shown(self) -> Json:
        """The numbers as control shows them."""
        return {
            "total": self._arm.total(),
            "routes": dict(sorted(self._arm.items())),
            "other": dict(sorted(self._other.items())),
            "refused": list(self._refused),
        }
