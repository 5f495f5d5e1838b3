"""The document of the policy in force is gone from storage: nothing passes, nothing fails, and SecOps put it back."""

from datetime import timedelta

import pytest

from pipeline_core.domain.builds import Build, Phase, Result
from pipeline_core.domain.errors import ErrorClass, PermanentError
from pipeline_core.services.policies.policy import PolicyDocumentLost
from simulation.world import LIVE, SimulatedWorld
from tests.unit.services import policy_documents as policies
from tests.unit.services import scenes
from tests.unit.services.scenes import BASE
from tests.unit.triggers.asgi_client import AsgiClient
from tests.unit.triggers.twins import TwinFactory
from triggers.api.app import create_app

ONE = {"rhel9-base": None}


def _blob(made: SimulatedWorld) -> str:
    stored = made.base.records.policies.find_current()
    assert stored is not None
    return f"policies/{stored.value.digest}.json"


def _lose(made: SimulatedWorld, content: bytes | None = None) -> None:
    """The blob is gone, or has another content, and no process remembers the document."""
    name = _blob(made)
    del made.ports.blobs._blobs["definitions"][name]
    if content is not None:
        made.ports.blobs.create("definitions", name, content, media_type="application/json")
    scenes.rewired(made)


def _at_the_gate() -> tuple[SimulatedWorld, Build]:
    made = scenes.registered(ONE)
    policies.put(made, compliance=policies.FLOOR)
    return made, scenes.in_phase(made, BASE, Phase.VERIFYING)


@pytest.mark.parametrize(
    ("content", "why"), [(None, "is gone from storage"), (b"{}", "was changed in storage")]
)
def test_a_build_waits_at_its_gate_and_every_image_says_why(content: bytes | None, why: str) -> None:
    made, build = _at_the_gate()
    _lose(made, content)
    made.run_until(made.ports.clock.now() + timedelta(hours=1))
    held = scenes.stored(made, build.id).value
    assert (held.phase, held.result, held.failure) == (Phase.VERIFYING, None, None)
    assert made.ports.galleries.list_versions(LIVE, BASE) == []
    assert made.poisoned == []
    (listed,) = made.factory.queries.images().images
    for view in (listed, made.factory.queries.image(BASE).image):
        (condition,) = [each for each in view.conditions if each.reason == "PolicyUnreadable"]
        assert condition.message.startswith(f"the document of policy 1 {why}")
        assert "imagefactory policy set FILE" in condition.message
        assert "release that wrote" not in condition.message
    with pytest.raises(PolicyDocumentLost, match=why):
        made.register("rhel9-base", None, text="edited")


def test_the_same_document_brings_it_back_and_the_build_goes_on() -> None:
    made, build = _at_the_gate()
    _lose(made)
    made.run_until(made.ports.clock.now() + timedelta(hours=1))
    shown = policies.put(made, compliance=policies.FLOOR)
    assert shown.version.revision == 1
    made.settle()
    ended = scenes.stored(made, build.id).value
    assert (ended.result, ended.floor) == (Result.SUCCEEDED, made.factory.policy.floor_of(BASE))
    assert made.factory.queries.image(BASE).image.conditions == ()


def test_where_the_blob_was_changed_the_same_document_is_refused_and_another_one_holds() -> None:
    made, build = _at_the_gate()
    _lose(made, b"{}")
    with pytest.raises(PermanentError, match=r"policies/.*: SecOps delete it") as refused:
        policies.put(made, compliance=policies.FLOOR)
    assert refused.value.error_class is ErrorClass.POLICY
    policies.put(made, compliance={**policies.FLOOR, "minScore": 70})
    made.settle()
    assert scenes.stored(made, build.id).value.result is Result.SUCCEEDED


def test_secops_see_the_cause_and_put_it_back_over_http() -> None:
    made, _ = _at_the_gate()
    _lose(made)
    factory = TwinFactory()
    factory.policy = made.factory.policy  # type: ignore[assignment]  # the real service behind the twin's API
    client = AsgiClient(create_app(lambda: factory))  # type: ignore[arg-type,return-value]
    admin = {"Authorization": "Bearer good.admin"}
    refused = client.get("/api/policy", headers=admin)
    assert refused.status_code == 409
    assert refused.json()["detail"].startswith("the document of policy 1 is gone from storage")
    body = {"document": policies.document(compliance=policies.FLOOR)}
    put = client.put("/api/policy", json=body, headers={**admin, "If-Match": refused.headers["ETag"]})
    assert put.status_code == 200, put.text
    assert put.json()["revision"] == 1
    assert client.get("/api/policy", headers=admin).status_code == 200
