"""Container groups of the emulator, by the real Container Instances SDK."""

import json
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError

from tests.local.arm.conftest import BUILDER, BUILDER_IDENTITY, Azure, Body, is_alive, wait_gone

GROUP = "rg-build"


def body(*command: str, cpu: float = 1.0, identity: bool = True, **environment: str) -> Body:
    made: dict[str, Any] = {
        "location": "westeurope",
        "tags": {"imagefactory-build": "payments.1"},
        "properties": {
            "osType": "Linux",
            "restartPolicy": "Never",
            "containers": [
                {
                    "name": "builder",
                    "properties": {
                        "image": "registry.example.com/builder@sha256:0",
                        "command": list(command),
                        "resources": {"requests": {"cpu": cpu, "memoryInGB": 1.0}},
                        "environmentVariables": [
                            {"name": "SECRET", "secureValue": "hidden"},
                            *({"name": name, "value": value} for name, value in environment.items()),
                        ],
                    },
                }
            ],
        },
    }
    if identity:
        made["identity"] = {"type": "UserAssigned", "userAssignedIdentities": {BUILDER_IDENTITY: {}}}
    return made


@pytest.fixture
def name(azure: Azure) -> Iterator[str]:
    """A name for a group that is gone after the test."""
    chosen = f"group-{uuid.uuid4().hex[:8]}"
    yield chosen
    azure.containers.container_groups.begin_delete(GROUP, chosen).result()


def create(azure: Azure, name: str, wanted: Body) -> Any:
    return azure.containers.container_groups.begin_create_or_update(GROUP, name, wanted).result()


def wait(azure: Azure, name: str, fits: Callable[[Any], bool]) -> Any:
    end = time.monotonic() + 10
    while True:
        found = azure.containers.container_groups.get(GROUP, name)
        if fits(found):
            return found
        assert time.monotonic() < end, found.as_dict()
        time.sleep(0.02)


def wait_state(azure: Azure, name: str, state: str) -> Any:
    return wait(azure, name, lambda group: group.instance_view.state == state)


def logs(azure: Azure, name: str, **options: Any) -> str:
    return str(azure.containers.containers.list_logs(GROUP, name, "builder", **options).content)


def wait_log(azure: Azure, name: str, text: str) -> str:
    wait(azure, name, lambda _: text in logs(azure, name))
    return logs(azure, name)


def pids(azure: Azure, name: str) -> list[int]:
    groups = azure.arm.ask("GET", "state")["container_groups"]
    return next((each["pids"] for each in groups if each["id"].endswith(name)), [])


@pytest.mark.parametrize(("code", "state"), [(0, "Succeeded"), (3, "Failed")])
def test_the_exit_code_decides_the_state(azure: Azure, name: str, code: int, state: str) -> None:
    create(azure, name, body("sample", "exit", str(code)))
    group = wait_state(azure, name, state)
    current = group.containers[0].instance_view.current_state
    assert (current.state, current.exit_code) == ("Terminated", code)
    assert current.finish_time is not None
    assert [event.name for event in group.containers[0].instance_view.events] == [
        "Pulling",
        "Pulled",
        "Started",
    ]
    assert logs(azure, name) == f"leaving with {code}\n"


def test_a_command_that_the_image_has_not_fails_with_an_event(azure: Azure, name: str) -> None:
    create(azure, name, body("/bin/sh", "-c", "touch /tmp/should-never-be"))
    group = wait_state(azure, name, "Failed")
    view = group.containers[0].instance_view
    assert view.current_state.exit_code == 127
    assert "executable file not found" in view.events[-1].message


def test_the_builders_command_runs_the_real_builder(azure: Azure, name: str) -> None:
    create(azure, name, body("imagefactory-builder"))  # without the settings that it needs, which it says
    wait_state(azure, name, "Failed")
    assert "IF_BUILD_ID" in logs(azure, name)


def test_only_the_platforms_and_its_own_environment_reach_a_container(azure: Azure, name: str) -> None:
    create(azure, name, body("sample", "environment", IF_BUILD_ID="payments.1"))
    wait_state(azure, name, "Succeeded")
    seen = json.loads(logs(azure, name))
    assert seen["IF_BUILD_ID"] == "payments.1"
    assert seen["SECRET"] == "hidden"
    assert seen["HTTPS_PROXY"] == azure.arm.proxy
    assert seen["SSL_CERT_FILE"] == seen["REQUESTS_CA_BUNDLE"] == str(azure.arm.ca_file)
    assert seen["NO_PROXY"] == "127.0.0.1,localhost"
    assert seen["IDENTITY_HEADER"] != azure.arm.identity_header
    assert seen["PACKER_PATH"] == azure.arm.packer
    allowed = {
        *("PATH", "LANG", "HOME", "TMPDIR", "PYTHONPATH", "PYTHONDONTWRITEBYTECODE", "PWD", "LC_CTYPE"),
        *("IDENTITY_ENDPOINT", "IDENTITY_HEADER", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY"),
        *("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "PACKER_PATH", "IF_BUILD_ID", "SECRET"),
    }
    assert set(seen) <= allowed


def test_a_secure_value_is_never_shown(azure: Azure, name: str) -> None:
    create(azure, name, body("sample", "exit", "0"))
    assert "hidden" not in json.dumps(azure.containers.container_groups.get(GROUP, name).as_dict())
    listed = [group.as_dict() for group in azure.containers.container_groups.list()]
    assert listed
    assert "hidden" not in json.dumps(listed)


def test_a_list_has_no_instance_view(azure: Azure, name: str) -> None:
    create(azure, name, body("sample", "exit", "0"))
    (listed,) = [g for g in azure.containers.container_groups.list_by_resource_group(GROUP) if g.name == name]
    assert listed.instance_view is None
    assert listed.tags == {"imagefactory-build": "payments.1"}


def test_the_same_put_again_restarts_the_container(azure: Azure, name: str) -> None:
    create(azure, name, body("sample", "sleep"))
    wait_log(azure, name, "started")
    (first,) = pids(azure, name)
    create(azure, name, body("sample", "sleep"))
    wait_log(azure, name, "started")
    (second,) = pids(azure, name)
    assert second != first
    assert not is_alive(first)
    found = azure.containers.container_groups.get(GROUP, name)
    view: Any = found.containers[0].instance_view  # the SDK declares it as None
    assert view.restart_count == 1
    assert view.previous_state.state == "Terminated"


def test_a_terminated_group_cannot_be_updated(azure: Azure, name: str) -> None:
    create(azure, name, body("sample", "exit", "0"))
    wait_state(azure, name, "Succeeded")
    with pytest.raises(HttpResponseError, match="InvalidContainerGroupUpdate"):
        azure.containers.container_groups.begin_create_or_update(GROUP, name, body("sample", "exit", "1"))


def test_the_size_of_a_running_group_cannot_change(azure: Azure, name: str) -> None:
    create(azure, name, body("sample", "sleep"))
    wait_state(azure, name, "Running")
    with pytest.raises(HttpResponseError, match="InvalidContainerGroupUpdate"):
        azure.containers.container_groups.begin_create_or_update(
            GROUP, name, body("sample", "sleep", cpu=2.0)
        )


def test_a_deleted_group_takes_every_process_with_it(azure: Azure, name: str) -> None:
    create(azure, name, body("sample", "family"))
    child = int(wait_log(azure, name, "started").split()[0])
    (parent,) = pids(azure, name)
    azure.containers.container_groups.begin_delete(GROUP, name).result()
    wait_gone(parent)
    wait_gone(child)
    with pytest.raises(ResourceNotFoundError):
        azure.containers.container_groups.get(GROUP, name)


def test_a_container_ends_with_its_first_process_whatever_that_left_behind(azure: Azure, name: str) -> None:
    create(azure, name, body("sample", "orphan"))
    wait_state(azure, name, "Succeeded")
    wait_gone(int(logs(azure, name)))


def test_a_group_is_there_until_its_process_has_ended(azure: Azure, name: str) -> None:
    create(azure, name, body("sample", "stubborn"))
    wait_log(azure, name, "started")
    (pid,) = pids(azure, name)
    poller = azure.containers.container_groups.begin_delete(GROUP, name)
    found: Any = azure.containers.container_groups.get(GROUP, name)  # the SDK declares its name as None
    assert found.name == name
    with pytest.raises(ResourceExistsError, match="ContainerGroupTransitioning"):
        azure.containers.container_groups.begin_create_or_update(GROUP, name, body("sample", "stubborn"))
    poller.result()  # the process ignores SIGTERM, and is killed after the grace period
    assert not is_alive(pid)
    with pytest.raises(ResourceNotFoundError):
        azure.containers.container_groups.get(GROUP, name)


def test_stop_and_start(azure: Azure, name: str) -> None:
    create(azure, name, body("sample", "sleep"))
    wait_log(azure, name, "started")
    azure.containers.container_groups.stop(GROUP, name)
    wait_state(azure, name, "Stopped")
    assert pids(azure, name) == []
    azure.containers.container_groups.begin_start(GROUP, name).result()
    wait_log(azure, name, "started")
    assert wait_state(azure, name, "Running").containers[0].instance_view.restart_count == 1


def test_a_stopped_container_keeps_a_thousand_lines_of_its_log(azure: Azure, name: str) -> None:
    create(azure, name, body("sample", "many-lines", "5000"))
    wait_state(azure, name, "Succeeded")
    text = logs(azure, name)
    assert text.startswith("line 004000\n")  # 1,000 lines, which are less than 16 KB
    assert text.endswith("line 004999\n")
    assert logs(azure, name, tail=2) == "line 004998\nline 004999\n"


def test_the_quota_of_groups_is_held(azure: Azure) -> None:
    names = [f"quota-{uuid.uuid4().hex[:6]}-{number}" for number in range(6)]
    try:
        for each in names:
            create(azure, each, body("sample", "exit", "0"))
        with pytest.raises(ResourceExistsError) as refused:
            azure.containers.container_groups.begin_create_or_update(
                GROUP, "one-more", body("sample", "exit", "0")
            )
        assert refused.value.error is not None
        assert refused.value.error.code == "ServiceUnavailable"
        assert "container group quota 'ContainerGroups' exceeded" in str(refused.value)
        listed: list[Any] = list(azure.containers.location.list_usage("westeurope"))
        usage = {each.name.value: each.current_value for each in listed}
        assert usage["ContainerGroups"] == 6
    finally:
        for each in names:
            azure.containers.container_groups.begin_delete(GROUP, each).result()


def test_the_resource_group_must_exist(azure: Azure) -> None:
    with pytest.raises(ResourceNotFoundError, match="ResourceGroupNotFound"):
        azure.containers.container_groups.begin_create_or_update("nowhere", "x", body("sample", "exit", "0"))


def test_the_builder_may_not_create_containers(azure: Azure, as_builder: Azure) -> None:
    with pytest.raises(HttpResponseError, match="AuthorizationFailed"):
        as_builder.containers.container_groups.begin_create_or_update(GROUP, "x", body("sample", "exit", "0"))


def test_a_container_gets_tokens_of_its_own_identity_alone(azure: Azure, name: str) -> None:
    create(azure, name, body("sample", "environment"))
    wait_state(azure, name, "Succeeded")
    seen = json.loads(logs(azure, name))

    def ask(client_id: str) -> int:
        query = {
            "api-version": "2019-08-01",
            "resource": "https://management.azure.com/",
            "client_id": client_id,
        }
        headers = {"X-IDENTITY-HEADER": seen["IDENTITY_HEADER"]}
        answer = requests.get(seen["IDENTITY_ENDPOINT"], params=query, headers=headers, timeout=5)
        return int(answer.status_code)

    assert ask(BUILDER) == 200
    assert ask("f0f0f0f0-0000-4000-8000-000000000002") == 400
