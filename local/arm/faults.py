"""Faults on demand. The next answers to a request become errors, come late, or get lost after the request's effect.

Or the request is accepted, and its operation takes longer or fails at its end.
"""

import re
from dataclasses import dataclass, replace

from local.arm.wire import ArmAnswer, ArmError, OperationOutcome


@dataclass(frozen=True, slots=True, kw_only=True)
class InjectedFault:
    """One fault, for `times` requests. With `after_effect` the request is carried out and its answer is lost.

    Without a `status` the answer is only late, by `delay` seconds. With `in_operation` the request is accepted, and
    its operation takes `operation_seconds` more and ends with this error, or well without a `status`.
    """

    method: str = "*"
    path: re.Pattern[str]
    status: int = 0
    code: str = "InternalServerError"
    message: str = "The server encountered an error while processing the request. Please retry later."
    retry_after: int | None = None
    times: int = 1
    after_effect: bool = False
    delay: float = 0.0
    in_operation: bool = False
    operation_seconds: float = 0.0

    def outcome(self) -> OperationOutcome:
        """What becomes of the operation."""
        error = ArmError(self.status, self.code, self.message) if self.status else None
        return OperationOutcome(seconds=self.operation_seconds, error=error)

    def answer(self) -> ArmAnswer:
        """The error in Azure's body."""
        headers = {} if self.retry_after is None else {"Retry-After": str(self.retry_after)}
        return ArmError(self.status, self.code, self.message, headers=headers).answer()


class InjectedFaults:
    """The faults that wait for their request."""

    def __init__(self) -> None:
        self._faults: list[InjectedFault] = []

    def add(self, fault: InjectedFault) -> None:
        """Queue a fault."""
        self._faults.append(fault)

    def clear(self) -> None:
        """Remove all faults."""
        self._faults.clear()

    def take(self, method: str, path: str) -> InjectedFault | None:
        """The first fault for this request, with one use less from now on. None if there is no fault."""
        for index, fault in enumerate(self._faults):
            if fault.method in ("*", method) and fault.path.search(path):
                rest = [replace(fault, times=fault.times - 1)] if fault.times > 1 else []
                self._faults[index : index + 1] = rest
                return fault
        return None
