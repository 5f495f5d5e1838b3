"""What is said about a build, that it is signed, and that nothing is published for which it does not hold."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from pipeline_core.adapters.memory.signing import MemorySigner
from pipeline_core.domain import proofs
from pipeline_core.domain.builds import Build, Phase, Result
from pipeline_core.domain.errors import ErrorClass, Owner, PermanentError
from pipeline_core.domain.names import Digest, ImageName
from pipeline_core.services.provenance.provenance import Provenance
from pipeline_core.wire.provenance import Envelope
from pipeline_core.wire.report import BuildReport
from simulation.world import LIVE, QUARANTINE, SimulatedWorld
from tests.unit.services import forgeries, scenes
from tests.unit.services.forgeries import FORGERIES, ForgedBlobs, Forgery
from tests.unit.services.scenes import BASE, JAVA

ONE = {"rhel9-base": None}
TWO = {"rhel9-base": None, "rhel9-java": "rhel9-base"}


def service(made: SimulatedWorld) -> Provenance:
    return made.parts.provenance.provenance


def only_build(made: SimulatedWorld, image: ImageName = BASE) -> Build:
    (build,) = scenes.builds(made, image)
    return build


def envelope_of(made: SimulatedWorld, build: Build) -> bytes:
    return made.ports.blobs.read("provenance", f"{build.provenance}.dsse.json", limit=10**6)


def statement_of(made: SimulatedWorld, build: Build) -> dict[str, Any]:
    content = made.ports.blobs.read("provenance", f"{build.provenance}.json", limit=10**6)
    assert scenes.sha256(content) == str(build.provenance)
    assert Envelope.from_wire(envelope_of(made, build)).content() == content
    said: dict[str, Any] = json.loads(content)
    return said


def test_the_statement_says_what_a_version_is_in_the_terms_of_slsa() -> None:
    made = scenes.settled(ONE)
    build = only_build(made)
    said = statement_of(made, build)
    assert set(said) == {"_type", "subject", "predicateType", "predicate"}
    live = made.ports.galleries.find_version(LIVE, BASE, build.version)  # type: ignore[arg-type]
    assert live is not None
    assert said["subject"] == [
        {
            "name": "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/rg-galleries"
            f"/providers/Microsoft.Compute/galleries/live/images/rhel9-base/versions/{build.version}",
            "digest": {"sha256": proofs.tags_digest(live.tags)},
        }
    ]
    definition, run = said["predicate"]["buildDefinition"], said["predicate"]["runDetails"]
    assert definition["externalParameters"]["image"] == "rhel9-base"
    assert definition["internalParameters"]["fingerprint"] == str(build.fingerprint)
    uris = [each["uri"] for each in definition["resolvedDependencies"]]
    assert uris == [
        f"imagefactory:marketplace/{build.inputs.origin}",
        "imagefactory:bundle",
        "imagefactory:platform",
        "imagefactory:definition",
    ]
    assert run["builder"]["builderDependencies"] == [
        {"uri": "docker://builder", "digest": {"sha256": "simulated"}}
    ]
    assert run["metadata"]["invocationId"] == str(build.id)
    assert run["metadata"]["startedOn"] <= run["metadata"]["finishedOn"]
    gates = run["byproducts"][0]
    assert gates["name"] == "imagefactory:gates"
    assert {gate: each["passed"] for gate, each in gates["annotations"].items()} == {
        verdict.gate: True for verdict in build.verdicts
    }
    assert {"boot", "hygiene"} <= set(gates["annotations"])


def test_a_child_names_its_parent_by_the_id_of_the_exact_version() -> None:
    made = scenes.settled(TWO)
    parent, child = only_build(made), only_build(made, JAVA)
    depends = statement_of(made, child)["predicate"]["buildDefinition"]["resolvedDependencies"]
    assert depends[0] == {
        "name": f"rhel9-base@{parent.version}",
        "uri": statement_of(made, parent)["subject"][0]["name"],
    }


def test_every_file_of_both_stages_is_named_with_its_digest() -> None:
    made = scenes.settled(ONE)
    build = only_build(made)
    kept = []
    for stage in ("build", "verify"):
        content = made.ports.blobs.read("builds", f"{build.id}/{stage}-1/result.json", limit=10**6)
        report = BuildReport.from_wire(content)
        extra = {"name": f"{stage}.txt", "sha256": "5" * 64, "size": 1, "media_type": "text/plain"}
        kept.append(
            report.model_copy(
                update={
                    "evidence": BuildReport.model_validate(
                        {**report.model_dump(), "evidence": [extra]}
                    ).evidence
                }
            )
        )
    made.ports.blobs.lose("builds", f"{build.id}/build-1/result.json")
    made.ports.blobs.create("builds", f"{build.id}/build-1/result.json", kept[0].to_wire(), media_type="")
    build = replace(build, build_result=Digest(scenes.sha256(kept[0].to_wire())))
    digest = service(made).store(build, build.verdicts, kept[1])
    said = json.loads(made.ports.blobs.read("provenance", f"{digest}.json", limit=10**6))
    assert said["predicate"]["runDetails"]["byproducts"][1:] == [
        {
            "name": f"{stage}.txt",
            "uri": f"imagefactory:builds/{build.id}/{stage}-1/{stage}.txt",
            "digest": {"sha256": "5" * 64},
            "mediaType": "text/plain",
        }
        for stage in ("build", "verify")
    ]


def test_nothing_is_signed_where_the_report_of_the_build_stage_is_no_longer_the_one_that_was_accepted() -> (
    None
):
    made = scenes.registered(ONE)
    build = scenes.in_phase(made, BASE, Phase.VERIFYING)
    place = f"{build.id}/build-1/result.json"
    report = BuildReport.from_wire(made.ports.blobs.read("builds", place, limit=10**6))
    forged = report.model_copy(update={"packer": "another"}).to_wire()
    made.ports.blobs._put("builds", place, forged, "application/json")
    made.drain()
    ended = only_build(made)
    assert (ended.result, ended.provenance) == (Result.FAILED, None)
    assert ended.failure is not None
    assert ended.failure.error_class is ErrorClass.PROVENANCE
    assert f"{place} is not the report that was accepted" in ended.failure.message
    assert made.ports.galleries.everything(LIVE) == []


def test_a_second_signing_of_the_same_build_changes_nothing() -> None:
    made = scenes.settled(ONE)
    build = only_build(made)
    content = made.ports.blobs.read("builds", f"{build.id}/verify-1/result.json", limit=10**6)
    first = envelope_of(made, build)
    made.ports.signer.rotate()
    made.ports.clock.advance(timedelta(days=1))
    again = service(made).store(build, build.verdicts, BuildReport.from_wire(content))
    assert again == build.provenance
    assert envelope_of(made, build) == first


def test_a_vault_that_does_not_answer_is_waited_for() -> None:
    made = scenes.registered(ONE)
    errors: list[Exception] = [scenes.transient() for _ in range(3)]
    scenes.rewired(made, signer=scenes.Failing(inner=made.ports.signer, name="sign", errors=errors))
    made.drain()
    assert errors == []
    assert only_build(made).result is Result.SUCCEEDED


def test_a_vault_that_does_not_answer_before_the_copy_is_waited_for() -> None:
    made = scenes.registered(ONE)
    errors: list[Exception] = [scenes.transient() for _ in range(3)]
    signer = scenes.Failing(inner=made.ports.signer, name="find_signer", errors=errors)
    scenes.rewired(made, signer=signer)
    made.drain()
    assert errors == []
    assert only_build(made).result is Result.SUCCEEDED


def _published_with(forge: Forgery) -> SimulatedWorld:
    """A world in which every envelope is read as `forge` makes it."""
    made = scenes.registered(ONE)
    scenes.in_phase(made, BASE, Phase.VERIFYING)
    scenes.rewired(made, blobs=ForgedBlobs(inner=made.ports.blobs, forge=forge))
    made.drain()
    return made


def _demand_refusal(made: SimulatedWorld, why: str) -> None:
    build = only_build(made)
    assert build.result is Result.FAILED
    assert build.failure is not None
    assert (build.failure.error_class, build.failure.who) == (ErrorClass.PROVENANCE, Owner.PLATFORM)
    assert f"build {build.id} is not published" in build.failure.message
    assert why in build.failure.message
    assert made.ports.galleries.everything(LIVE) == []
    assert made.ports.galleries.everything(QUARANTINE) == []
    assert scenes.head(made, BASE).current is None


@pytest.mark.parametrize(("forge", "why"), FORGERIES.values(), ids=FORGERIES.keys())
def test_nothing_is_published_whose_envelope_was_forged(forge: Forgery, why: str) -> None:
    _demand_refusal(_published_with(forge), why)


def test_the_envelope_as_it_was_stored_is_published() -> None:
    made = _published_with(lambda envelope: envelope)
    assert only_build(made).result is Result.SUCCEEDED


def _resigned(**changes: Any) -> Forgery:
    """The statement with other values, signed by our own key: what a stolen signature could say."""

    def forge(envelope: bytes) -> bytes:
        said = forgeries.payload(envelope)
        predicate = said["predicate"]
        predicate["buildDefinition"]["internalParameters"].update(changes.get("internal", {}))
        predicate["runDetails"]["metadata"].update(changes.get("metadata", {}))
        said["subject"][0].update(changes.get("subject", {}))
        for gate in changes.get("gates", ()):
            predicate["runDetails"]["byproducts"][0]["annotations"][gate]["passed"] = False
        if "without" in changes:
            del predicate["runDetails"]["byproducts"][0]["annotations"][changes["without"]]
        return forgeries.signed(said, MemorySigner())

    return forge


@pytest.mark.parametrize(
    ("forge", "why"),
    [
        (_resigned(internal={"fingerprint": "e" * 64}), "its input is"),
        (_resigned(metadata={"invocationId": "rhel9-base.0123456789ab.9"}), "it was made by build"),
        (_resigned(subject={"name": "/subscriptions/other"}), "it is about"),
        (_resigned(subject={"digest": {"sha256": "0" * 64}}), "the tags have the digest"),
        (_resigned(subject={"digest": {"sha512": "0" * 64}}), "the tags have the digest"),
        (_resigned(gates=["hygiene"]), "it did not pass hygiene"),
        (_resigned(without="boot"), "there is no verdict of boot"),
    ],
    ids=["fingerprint", "build", "subject", "tags", "no digest", "a gate refused", "a gate is missing"],
)
def test_nothing_is_published_for_which_a_signed_statement_does_not_hold(forge: Forgery, why: str) -> None:
    _demand_refusal(_published_with(forge), why)


def test_the_envelope_of_another_build_is_not_a_proof() -> None:
    other = scenes.settled({"rhel9-vault": None})
    replayed = envelope_of(other, only_build(other, ImageName("rhel9-vault")))
    _demand_refusal(_published_with(lambda _: replayed), "the tags name statement")


def test_a_good_signature_beside_a_bad_one_is_enough() -> None:
    def forge(envelope: bytes) -> bytes:
        ours = json.loads(envelope)
        theirs = json.loads(forgeries.signed(forgeries.payload(envelope), forgeries.STRANGER))
        return json.dumps({**ours, "signatures": [*theirs["signatures"], *ours["signatures"]]}).encode()

    assert only_build(_published_with(forge)).result is Result.SUCCEEDED


def test_a_key_that_was_disabled_between_signing_and_publishing_publishes_nothing() -> None:
    made = scenes.registered(ONE)
    scenes.in_phase(made, BASE, Phase.VERIFYING)

    def forge(envelope: bytes) -> bytes:
        made.ports.signer.disable(made.ports.signer.trusted_keys()[-1])
        return envelope

    scenes.rewired(made, blobs=ForgedBlobs(inner=made.ports.blobs, forge=forge))
    made.drain()
    _demand_refusal(made, "no trusted key has signed")


def test_a_vault_that_forbids_makes_no_version_unproven() -> None:
    made = scenes.settled(ONE)
    (live,) = made.ports.galleries.everything(LIVE)
    forbidden = PermanentError(ErrorClass.PERMISSION, "the vault forbids")
    signer = scenes.Failing(inner=made.ports.signer, name="find_signer", errors=[forbidden])
    scenes.rewired(made, signer=signer)
    examiner = made.factory.proofs.provenance
    with pytest.raises(PermanentError, match="the vault forbids"):
        examiner.examine(live)
    assert str(examiner.examine(live).digest) == live.tags["imagefactory-provenance"]
