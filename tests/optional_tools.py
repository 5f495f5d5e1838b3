"""Programs that only some tests need: where one is missing its tests are skipped, and the reason is printed.

`IMAGE_FACTORY_REQUIRE=packer,oscap` turns that skip into a failure; the project's CI sets it, so that no test of a
tool that CI installs can vanish unseen.
"""

import os
import shutil
from typing import NoReturn

import pytest

from local import real_packer

VARIABLE = "IMAGE_FACTORY_REQUIRE"


def require(tool: str, reason: str) -> None:
    """Return where `tool` is here (`packer`: with its azure plugin); otherwise as `missing`."""
    if not is_here(tool):
        missing(tool, reason)


def missing(tool: str, reason: str) -> NoReturn:
    """Skip the test, or the module, for `reason`; fail where the environment requires `tool`."""
    text = f"{tool}: {reason}"
    if tool in required():
        pytest.fail(f"{text} ({VARIABLE} names it)", pytrace=False)
    pytest.skip(text, allow_module_level=True)


def is_here(tool: str) -> bool:
    """Whether the program can be run here."""
    if tool == "packer":
        return real_packer.find(os.environ) is not None
    return shutil.which(tool) is not None


def required() -> frozenset[str]:
    """The tools whose absence is a failure."""
    return frozenset(word.strip() for word in os.environ.get(VARIABLE, "").split(",")) - {""}
