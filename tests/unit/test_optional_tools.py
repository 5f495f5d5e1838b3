"""A missing tool is a skip with its reason, or a failure where the environment requires it."""

import pytest

from tests import optional_tools


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setenv("PACKER", "recorded")
    monkeypatch.delenv("IMAGE_FACTORY_REQUIRE", raising=False)


@pytest.mark.parametrize("tool", ["oscap", "packer"])
def test_a_missing_tool_is_a_skip_with_its_reason(tool: str) -> None:
    with pytest.raises(pytest.skip.Exception, match=f"{tool}: it reads the results"):
        optional_tools.require(tool, "it reads the results")


@pytest.mark.parametrize("tool", ["oscap", "packer"])
def test_a_missing_tool_that_is_required_is_a_failure(tool: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMAGE_FACTORY_REQUIRE", "packer, oscap,")
    with pytest.raises(pytest.fail.Exception, match="IMAGE_FACTORY_REQUIRE names it"):
        optional_tools.require(tool, "it reads the results")


def test_a_tool_that_is_there_is_no_reason_to_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/bin:/usr/bin")
    optional_tools.require("sh", "it runs everywhere")
