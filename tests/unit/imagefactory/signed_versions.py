"""A factory that shows one signed version, and what `imagefactory verify` says of it."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from typer.testing import Result

from imagefactory.failures import Exit
from pipeline_core.domain import proofs
from pipeline_core.domain.proofs import PublicationRecord, VersionFacts
from pipeline_core.wire import es256, provenance
from pipeline_core.wire.provenance import Envelope
from tests.unit.imagefactory.fake_factory import FakeFactory

KEY = ec.derive_private_key(11, ec.SECP256R1())
STRANGER = ec.derive_private_key(13, ec.SECP256R1())
VERSION = "1.20261121.1"
NAME = f"payments-api@{VERSION}"
ID = (
    "/subscriptions/s/resourceGroups/rg/providers/Microsoft.Compute/galleries/live"
    f"/images/payments-api/versions/{VERSION}"
)
PATH = f"/api/images/payments-api/versions/{VERSION}/provenance"
TAGS = {"imagefactory-build": "payments-api.0123456789ab.1", "imagefactory-fingerprint": "f" * 64}


SOURCE = ID.replace("/live/", "/quarantine/")
FACTS = VersionFacts(source=SOURCE, published_at=datetime(2026, 11, 21, 9, 30, 1, tzinfo=UTC), disk_gb=64)
AZURE = {
    "tags": TAGS,
    "properties": {
        "publishingProfile": {"publishedDate": "2026-11-21T09:30:01.0000009+00:00"},
        "storageProfile": {"source": {"id": SOURCE}, "osDiskImage": {"sizeInGB": 64}},
    },
}


def sourced(**gates: bool) -> dict[str, Any]:
    """A statement that names image, version and source: a record of publication completes it."""
    said = statement(**gates)
    definition = said["predicate"]["buildDefinition"]
    definition["externalParameters"] = {"image": "payments-api", "version": VERSION}
    definition["internalParameters"]["source"] = SOURCE
    return said


def statement(**gates: bool) -> dict[str, Any]:
    """About the version of TAGS, as an older release said it; its hygiene was answered by a recorded run."""
    told = {gate: {"passed": passed} for gate, passed in {"boot": True, **gates}.items()}
    return {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": ID, "digest": {"sha256": proofs.tags_digest(TAGS)}}],
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {
            "buildDefinition": {
                "externalParameters": {},
                "internalParameters": {"fingerprint": "f" * 64},
            },
            "runDetails": {
                "metadata": {"invocationId": "payments-api.0123456789ab.1"},
                "byproducts": [
                    {
                        "name": "imagefactory:gates",
                        "annotations": {"hygiene": {"passed": True, "simulated": True}, **told},
                    }
                ],
            },
        },
    }


@dataclass
class Signed:
    """A factory that shows one version; `show` replaces what it shows."""

    factory: FakeFactory
    pem: Path

    def show(
        self, said: dict[str, Any] | None = None, key: ec.EllipticCurvePrivateKey = KEY, **changed: Any
    ) -> None:
        content = provenance.canonical(said or statement())
        envelope = Envelope.of(content, es256.sign(key, provenance.signed_message(content)))
        self.factory.shown[PATH] = {
            "image": "payments-api",
            "version": VERSION,
            "subject": ID,
            "state": "ready",
            "excluded_from_latest": False,
            "tags": {**TAGS, "imagefactory-provenance": digest_of(content)},
            "envelope": json.loads(envelope.to_wire()),
            **changed,
        }

    def publish(self, key: ec.EllipticCurvePrivateKey = KEY, **changed: Any) -> None:
        """Show a version with its record of publication, in both signed by the factory; `changed` is in the record."""
        self.show(sourced())
        said = PublicationRecord(
            statement=self.shown["tags"]["imagefactory-provenance"],
            subject=ID,
            tags=proofs.tags_digest(TAGS),
            facts=FACTS,
        )
        content = provenance.render_publication(replace(said, **changed))
        envelope = Envelope.of(content, es256.sign(key, provenance.signed_message(content)))
        self.shown.update(
            source=SOURCE,
            published_at="2026-11-21T09:30:01Z",
            disk_gb=64,
            publication=json.loads(envelope.to_wire()),
        )

    def show_in_azure(self, **changed: Any) -> tuple[object, ...]:
        """Azure shows the version, with `changed` in its answer. Gives the words that have it asked."""
        self.factory.shown[ID] = {**AZURE, "tags": self.shown["tags"], **changed}
        return ("--gallery-version-id", ID, "--key", self.pem, "--arm-endpoint", self.factory.url)

    @property
    def shown(self) -> dict[str, Any]:
        return self.factory.shown[PATH]


def digest_of(content: bytes) -> str:
    return str(provenance.read_statement(content).digest)


def report(run: Callable[..., Result], *words: object, **environment: str) -> dict[str, Any]:
    """What the command says in JSON; its exit code must agree with that."""
    done = run("verify", *words, "--json", **environment)
    found: dict[str, Any] = json.loads(done.stdout)
    assert done.exit_code == (Exit.DONE if found["verified"] else Exit.REFUSED)
    return found


def refused(found: dict[str, Any]) -> list[str]:
    return [each["check"] for each in found["checks"] if not each["holds"]]
