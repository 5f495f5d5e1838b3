"""What Azure refuses in container groups, and what it does with them that a client may not expect.

The sources of the rules are beside them, in `local/arm/containers`.
"""

import sys
import time
import uuid
from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError

from local.arm import launch
from tests.local.arm.conftest import BUILDER, BUILDER_IDENTITY, FACTORY, SAMPLE, Azure, Body, sign_in
from tests.local.arm.test_arm_containers import GROUP, body, create, wait, wait_state

REGISTRY = "registry.example.com"


@pytest.fixture(scope="module")
def arm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[launch.RunningArm]:
    """An emulator with low limits, slow deletions and one restart of a container that fails."""
    with launch.start(
        tmp_path_factory.mktemp("rules"),
        resource_groups=[GROUP],
        builder_client_id=BUILDER,
        identities={BUILDER_IDENTITY: BUILDER},
        options=[
            f"--program=sample={sys.executable} {SAMPLE}",
            "--retry-after=0",
            "--restarts=1",
            "--restart-seconds=0.5",
            "--delete-seconds=0.3",
            "--missing-image=not-there",
            "--core-limit=40",
        ],
    ) as running:
        yield running


@pytest.fixture
def name(azure: Azure) -> Iterator[str]:
    chosen = f"group-{uuid.uuid4().hex[:8]}"
    yield chosen
    azure.containers.container_groups.begin_delete(GROUP, chosen).result()


def _refused(azure: Azure, name: str, wanted: Body) -> tuple[int | None, str]:
    with pytest.raises(HttpResponseError) as refused:
        azure.containers.container_groups.begin_create_or_update(GROUP, name, wanted)
    error = refused.value.error
    assert error is not None
    return refused.value.status_code, str(error.code)


@pytest.mark.parametrize("chosen", ["Group", "group_1", "-group", "group-", "group--1", "g" * 64, "group.1"])
def test_a_group_has_a_name_of_lower_case_letters_digits_and_single_hyphens(
    azure: Azure, chosen: str
) -> None:
    assert _refused(azure, chosen, body("sample", "exit", "0")) == (400, "InvalidRequestContent")


def _renamed(wanted: Body) -> None:
    _container(wanted)["name"] = "Builder_1"


def _variable(wanted: Body) -> None:
    _inner(wanted)["environmentVariables"].append({"name": "_A-B", "value": ""})


def _no_size(wanted: Body) -> None:
    _inner(wanted)["resources"]["requests"]["cpu"] = 0


def _many(wanted: Body) -> None:
    first = _container(wanted)
    wanted["properties"]["containers"] = [{**first, "name": f"c{number}"} for number in range(61)]


def _twice(wanted: Body) -> None:
    wanted["properties"]["containers"] *= 2


def _volumes(wanted: Body) -> None:
    wanted["properties"]["volumes"] = [{"name": f"volume{number}", "emptyDir": {}} for number in range(21)]


def _cores(wanted: Body) -> None:
    _inner(wanted)["resources"]["requests"]["cpu"] = 32


def _memory(wanted: Body) -> None:
    _inner(wanted)["resources"]["requests"]["memoryInGB"] = 241


def _no_server(wanted: Body) -> None:
    _credential(wanted, identity=BUILDER_IDENTITY)


def _two_credentials(wanted: Body) -> None:
    _credential(wanted, server=REGISTRY, identity=BUILDER_IDENTITY, username="me", password="secret")


def _foreign_identity(wanted: Body) -> None:
    _credential(wanted, server=REGISTRY, identity=BUILDER_IDENTITY.replace("builder", "other"))


def _no_such_identity(wanted: Body) -> None:
    wanted["identity"]["userAssignedIdentities"] = {BUILDER_IDENTITY.replace("builder", "other"): {}}


def _container(wanted: Body) -> Any:
    return wanted["properties"]["containers"][0]


def _inner(wanted: Body) -> Any:
    return _container(wanted)["properties"]


def _credential(wanted: Body, **values: str) -> None:
    wanted["properties"]["imageRegistryCredentials"] = [values]


@pytest.mark.parametrize(
    ("spoil", "status", "code"),
    [
        (_renamed, 400, "InvalidRequestContent"),
        (_variable, 400, "InvalidRequestContent"),
        (_no_size, 400, "InvalidRequestContent"),
        (_many, 400, "InvalidRequestContent"),
        (_twice, 400, "InvalidRequestContent"),
        (_volumes, 400, "InvalidRequestContent"),
        (_cores, 409, "ServiceUnavailable"),
        (_memory, 409, "ServiceUnavailable"),
        (_no_server, 400, "InvalidRequestContent"),
        (_two_credentials, 400, "AmbiguousImageResitryCredentialType"),
        (_foreign_identity, 400, "InvalidImageRegistryIdentity"),
        (_no_such_identity, 400, "FailedIdentityOperation"),
    ],
)
def test_a_body_that_breaks_a_rule_is_refused_and_leaves_nothing(
    azure: Azure, spoil: Callable[[Body], None], status: int, code: str
) -> None:
    wanted = deepcopy(body("sample", "exit", "0"))
    spoil(wanted)
    assert _refused(azure, "group-refused", wanted) == (status, code)
    with pytest.raises(ResourceNotFoundError):
        azure.containers.container_groups.get(GROUP, "group-refused")


def test_the_quota_of_cores_is_held(azure: Azure, name: str) -> None:
    create(azure, name, body("sample", "sleep", cpu=30.0))
    assert _refused(azure, "group-refused", body("sample", "sleep", cpu=11.0)) == (
        409,
        "ContainerGroupQuotaReached",
    )


def test_a_container_that_ends_with_another_code_than_0_is_started_again_in_spite_of_never(
    azure: Azure, name: str
) -> None:
    create(azure, name, body("sample", "exit", "3"))
    waiting = wait(azure, name, lambda group: _view(group).previous_state is not None)
    view = _view(waiting)
    assert (view.current_state.state, view.restart_count) == ("Waiting", 1)
    assert view.current_state.detail_status == "CrashLoopBackOff: Back-off restarting failed"
    assert (view.previous_state.state, view.previous_state.exit_code) == ("Terminated", 3)
    ended = wait_state(azure, name, "Failed")
    assert (_view(ended).restart_count, _view(ended).current_state.exit_code) == (1, 3)


def test_a_container_that_ends_with_0_is_not_started_again(azure: Azure, name: str) -> None:
    create(azure, name, body("sample", "exit", "0"))
    wait_state(azure, name, "Succeeded")
    time.sleep(1)
    view = _view(azure.containers.container_groups.get(GROUP, name))
    assert (view.restart_count, view.previous_state) == (0, None)


def test_a_group_whose_image_cannot_be_pulled_waits_and_says_so_in_its_events(
    azure: Azure, name: str
) -> None:
    wanted = body("sample", "exit", "0")
    _inner(wanted)["image"] = f"{REGISTRY}/not-there@sha256:0"
    create(azure, name, wanted)
    group = wait(azure, name, lambda group: len(_view(group).events or ()) == 3)
    assert (group.provisioning_state, group.instance_view.state) == ("Creating", "Pending")
    assert _view(group).current_state.state == "Waiting"
    assert [(event.name, event.type) for event in _view(group).events] == [
        ("Pulling", "Normal"),
        ("Failed", "Warning"),
        ("BackOff", "Normal"),
    ]


def test_a_deletion_takes_time_and_may_be_asked_for_again(azure: Azure) -> None:
    groups = azure.containers.container_groups
    create(azure, "group-slow", body("sample", "exit", "0"))
    wait_state(azure, "group-slow", "Succeeded")
    began = time.monotonic()
    first = groups.begin_delete(GROUP, "group-slow")
    second = groups.begin_delete(GROUP, "group-slow")
    assert groups.get(GROUP, "group-slow").provisioning_state == "Deleting"
    first.result()
    second.result()
    assert time.monotonic() - began >= 0.3
    with pytest.raises(ResourceNotFoundError):
        groups.get(GROUP, "group-slow")


def test_no_secret_of_a_body_is_shown(azure: Azure, name: str) -> None:
    wanted = body("sample", "exit", "0")
    properties = wanted["properties"]
    _credential(wanted, server=REGISTRY, username="me", password="hidden-1")
    share = {"shareName": "s", "storageAccountName": "a", "storageAccountKey": "hidden-2"}
    properties["volumes"] = [
        {"name": "share", "azureFile": share},
        {"name": "secret", "secret": {"key": "aGlkZGVuLTM="}},
    ]
    workspace = {"workspaceId": "w", "workspaceKey": "hidden-4"}
    properties["diagnostics"] = {"logAnalytics": workspace}
    create(azure, name, wanted)
    shown = str(azure.containers.container_groups.get(GROUP, name).serialize(keep_readonly=True))
    assert "hidden" not in shown
    assert "aGlkZGVuLTM=" not in shown
    assert "'shareName': 's'" in shown


@pytest.mark.parametrize("what", ["creates", "deletes"])
@pytest.mark.parametrize("limit", ["per-hour=3", "per-5-minutes=3"])
def test_creations_and_deletions_are_limited_in_an_hour_and_in_five_minutes(
    tmp_path: Path, identity: None, what: str, limit: str
) -> None:

    with (
        launch.start(
            tmp_path, resource_groups=[GROUP], options=[f"--{what}-{limit}", "--retry-after=0"]
        ) as arm,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("IDENTITY_ENDPOINT", arm.identity_endpoint)
        patch.setenv("IDENTITY_HEADER", arm.identity_header)
        with sign_in(arm, FACTORY) as clients:
            groups = clients.azure.containers.container_groups

            def call(number: int) -> None:
                groups.begin_create_or_update(GROUP, f"group-{number}", body("sample", identity=False))
                if what == "deletes":
                    groups.begin_delete(GROUP, f"group-{number}", polling=False)

            for number in range(3):
                call(number)
            with pytest.raises(HttpResponseError) as refused:
                call(3)
            assert refused.value.status_code == 429
            answer: Any = refused.value.response  # the SDK's type has no headers
            wait = int(answer.headers["Retry-After"])
            assert wait in (range(3590, 3602) if "hour" in limit else range(290, 302))
            groups.begin_delete(GROUP, "group-absent", polling=False)  # what does not exist does not count


def _view(group: Any) -> Any:
    return group.containers[0].instance_view
