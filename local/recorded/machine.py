"""What the steps of a template do to the memory of the machine that the recorded Packer only says that it has.

No command is run. A template that would fail on a machine for what is not staged, or for a restart that it does not
expect, fails here in Packer's words.
"""

from collections.abc import Callable
from typing import Final

from local.recorded.template import TemplateStep
from local.scenario import PackerScenario
from local.staging import Staging, taken

_LOST: Final = "Script disconnected unexpectedly. (recorded)"


class RecordedMachine:
    """The machine of one build. `say` prints a line of Packer, `message` one of the machine."""

    def __init__(
        self, scenario: PackerScenario, say: Callable[[str], None], message: Callable[[str], None]
    ) -> None:
        self._scenario, self._say, self._message = scenario, say, message
        self._staged = Staging()
        self._sent: set[str] = set()  # what is in its /tmp

    def take(self, step: TemplateStep, announced: str, script: str) -> str:
        """Take the effect of a step. Returns why it fails, empty where it does not."""
        if step.kind == "file" and step.values.get("destination"):
            self._sent.add(str(step.values["destination"]))
        elif self._scenario.restarts(announced):
            return self._restart(step)
        elif announced:
            return self._run(script, int(step.values.get("max_retries") or 0))
        return ""

    def _restart(self, step: TemplateStep) -> str:
        if self._scenario.name == "restart-late":
            self._staged.is_going_down = True
            return ""
        self._staged.restart()
        return "" if step.values.get("expect_disconnect") else _LOST

    def _run(self, script: str, tries: int) -> str:
        refusal = self._staged.run(script, self._sent)
        if refusal is None:
            self._sent -= set(taken(script))
            return ""
        failed = f"Script exited with non-zero exit status: {refusal.exit_code}. Allowed exit codes are: [0]"
        self._message(refusal.output.rstrip())
        if not refusal.is_too_early or not tries:
            return failed
        self._say(f'Provisioner failed with "{failed}", retrying with {tries} trie(s) left')
        self._staged.restart()  # it is down by the next try
        return self._run(script, tries - 1)
