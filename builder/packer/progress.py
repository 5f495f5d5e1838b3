"""Which step of the plan runs in the guest, and whether all have ended: followed while Packer prints. Decides nothing.

The guest prints the title of each step. A step of a team runs as root there and can print any title. So each title
carries a mark that only its own script knows, and that script comes to the guest when the step begins. The kept lines
of a run are few: a step that prints much would otherwise lose its title.
"""

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_SAID = re.compile(r": imagefactory: (step \d+ of \d+: .*)$")  # as `guest` prints it
# Plugins 1.x and 2.x say the first right after their provisioners (builder.go, StepPowerOffCompute). Where they make
# no image they begin to delete the machine (step_deploy_template.go). A script's output on stderr looks alike, so a
# line counts only while the last step runs, and that is the platform's.
_ENDED = re.compile(
    r"^(?:\S+: )?==> \S+: (?:Powering off machine|Deleting Virtual Machine deployment|Cleanup requested)"
)
_ERROR = re.compile(r"^(?:\S+: )?==> \S+: Provisioning step had errors")  # Packer's own, before its clean-up


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedStep:
    """One step: its title ("step 3 of 8: shell: install.sh"), whose it is, and the mark behind its title."""

    title: str
    is_ours: bool
    mark: str = ""

    @property
    def printed(self) -> str:
        """What the guest prints after `imagefactory: `."""
        return f"{self.title} [{self.mark}]" if self.mark else self.title


def mark_of(key: str, number: int) -> str:
    """The mark of a step; empty where there is no key. `key` is a secret of the run and stays in the builder."""
    return hashlib.sha256(f"{key}/{number}".encode()).hexdigest()[:8] if key else ""


def of_title(title: str) -> PlannedStep:
    """A step of which only the title is known, as an older log has it."""
    kind = title.partition(": ")[2]
    return PlannedStep(
        title=title, is_ours=kind.startswith(("platform", "prepare")) or "hygiene-check" in kind
    )


class StepProgress:
    """Follows one run. `stop` keeps the state of a moment: what Packer prints later is about its clean-up."""

    def __init__(self, steps: Sequence[PlannedStep]) -> None:
        self._steps = {step.printed: step for step in steps}
        self._last = steps[-1] if steps else None
        self._is_stopped = False
        self.step: PlannedStep | None = None  # the last that began
        self.has_ended = False  # no step runs any more, and none has failed

    def take(self, lines: Iterable[str]) -> None:
        """Lines of Packer as they came."""
        for line in lines:
            if not self._is_stopped:
                self._take(line.rstrip("\n"))

    def stop(self) -> None:
        """The run is being ended from outside, or has ended."""
        self._is_stopped = True

    def _take(self, line: str) -> None:
        said = _SAID.search(line)
        if said is not None:
            self.step = self._steps.get(said[1], self.step)
        elif _ERROR.search(line):
            self._is_stopped = True
        elif self.step is self._last and self.step is not None and _ENDED.search(line):
            self.has_ended = True
