"""A handler that is slow at one call: others act, whole, just before that call or just after its answer."""

from collections.abc import Callable
from typing import Any, Literal

from pipeline_core.domain.builds import Build
from simulation.world import SimulatedWorld
from tests.unit.services import scenes

Side = Literal["before", "after"]


class Meanwhile:
    """A port whose first call of one method that fits is the slow one."""

    def __init__(
        self,
        inner: object,
        name: str,
        action: Callable[[], object],
        *,
        side: Side,
        fits: Callable[..., bool] = lambda *given, **named: True,
    ) -> None:
        self._inner, self._name, self._side, self._fits = inner, name, side, fits
        self._left = [action]
        self.came = False

    def __getattr__(self, name: str) -> Any:
        bound = getattr(self._inner, name)
        return bound if name != self._name else lambda *given, **named: self._call(bound, *given, **named)

    def _call(self, bound: Callable[..., Any], *given: Any, **named: Any) -> Any:
        is_slow = bool(self._left) and self._fits(*given, **named)
        action = self._left.pop() if is_slow else None
        self.came = self.came or is_slow
        if action is not None and self._side == "before":
            action()
        answer = bound(*given, **named)
        if action is not None and self._side == "after":
            action()
        return answer


def slow_step(
    made: SimulatedWorld,
    build: Build,
    port: str,
    method: str,
    action: Callable[[], object],
    *,
    side: Side,
    fits: Callable[..., bool] = lambda *given, **named: True,
) -> None:
    """One step of a handler that is slow at this call; what others do meanwhile meets the ports as they are."""
    slow = Meanwhile(getattr(made.ports, port), method, action, side=side, fits=fits)
    scenes.rewired(made, **{port: slow})
    scenes.step(made, build)
    assert slow.came, f"no call of {port}.{method} fitted"
    scenes.rewired(made)
