"""On demand the emulator writes down what clients send to ARM, without secrets, and nothing else."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from local.arm import recorder
from local.arm.wire import ArmAnswer, ArmError, Call

PATH = "/subscriptions/s/resourceGroups/rg/providers/Microsoft.Compute/virtualMachines/m"
BODY: dict[str, Any] = {
    "location": "westeurope",
    "properties": {
        "osProfile": {"adminUsername": "packer", "adminPassword": "s3cret", "customData": "c2VjcmV0"},
        "environmentVariables": [{"name": "A", "secureValue": "s3cret"}, {"name": "B", "value": "open"}],
    },
}


def _call(method: str, path: str = PATH, body: Any = None) -> Call:
    content = b"" if body is None else json.dumps(body).encode()
    headers = {"user-agent": "azsdk-python-mgmt-compute/39.0.0 Python", "authorization": "Bearer s3cret"}
    return Call(
        method=method,
        path=path,
        base="",
        query={"api-version": "1"},
        headers=headers,
        content=content,
        names={},
    )


def _recorded(file: Path, call: Call, status: int) -> list[dict[str, Any]]:
    async def answer(_: Call) -> ArmAnswer:
        if status >= 400:
            raise ArmError(status, "Refused", "refused")
        return ArmAnswer(status=status)

    answering = recorder.recording(answer, file)
    if status >= 400:
        with pytest.raises(ArmError):
            asyncio.run(_await(answering(call)))
    else:
        assert asyncio.run(_await(answering(call))).status == status
    return [json.loads(line) for line in file.read_text("utf-8").splitlines()] if file.exists() else []


async def _await(answer: Any) -> ArmAnswer:
    found: ArmAnswer = await answer
    return found


@pytest.mark.parametrize("status", [201, 403])
def test_a_body_is_written_with_its_answer_and_without_secrets(tmp_path: Path, status: int) -> None:
    (line,) = _recorded(tmp_path / "bodies.jsonl", _call("PUT", body=BODY), status)
    assert "s3cret" not in json.dumps(line)
    assert line["body"]["properties"]["osProfile"] == {
        "adminUsername": "packer",
        "adminPassword": recorder.REDACTED,
        "customData": recorder.REDACTED,
    }
    assert line["body"]["properties"]["environmentVariables"][1] == {"name": "B", "value": "open"}
    del line["body"]
    assert line == {
        "method": "PUT",
        "path": PATH,
        "api_version": "1",
        "agent": "azsdk-python-mgmt-compute/39.0.0",
        "status": status,
    }


@pytest.mark.parametrize(
    "call",
    [
        _call("GET"),
        _call("DELETE"),
        _call("POST"),
        _call("POST", path="/tenant/oauth2/v2.0/token", body=BODY),
    ],
    ids=["a look", "a deletion", "an empty body", "a sign-in"],
)
def test_nothing_else_is_written(tmp_path: Path, call: Call) -> None:
    assert _recorded(tmp_path / "bodies.jsonl", call, 200) == []
