"""`imagefactory verify`: compare a live version with the signed statement about it, as its consumer.

The factory only delivers what was signed. The result names what the factory is still trusted for: its public keys
without --key, tags and facts without --gallery-version-id. The names that were asked for come from the caller alone.
No statement is read before a signature is verified.
"""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from imagefactory import gallery, options, screen, sign_in
from imagefactory.client import Client
from imagefactory.connection import Json, checked_url
from imagefactory.failures import CommandRefused, Exit, Misused, Unreachable
from imagefactory.gallery import VersionId
from imagefactory.screen import Format
from pipeline_core.domain import proofs
from pipeline_core.domain.errors import FactoryError, InvalidValue, NotProven
from pipeline_core.domain.proofs import Proof, ProofCheck, VersionFacts, VersionInGallery
from pipeline_core.domain.signatures import PublicKey
from pipeline_core.wire import es256
from pipeline_core.wire.provenance import Envelope, read_publication, read_statement

_KEY_LIMIT = 64 * 1024  # bytes of a PEM file


@dataclass(frozen=True, slots=True, kw_only=True)
class ProofReport:
    """Every check with its answer. `proof` is None where no signature is valid: then no other check is made."""

    findings: tuple[ProofCheck, ...]
    proof: Proof | None
    key: str = ""

    @property
    def holds(self) -> bool:
        """True where every answer is yes."""
        return all(finding.holds for finding in self.findings)


def judge(
    envelope: object, publication: object, shown: VersionInGallery, keys: Sequence[PublicKey]
) -> ProofReport:
    """Whether one of these keys signed a statement, and whether it is about this very version.

    `publication` is the envelope of the record of its publication, None where the factory has none.
    """
    if envelope is None:
        return _unsigned("no signed statement is stored for the digest in its tags")
    try:
        content, signer = _signed(envelope, keys)
        proof = read_statement(content)
    except FactoryError as error:
        return _unsigned(str(error))
    signature = ProofCheck(name="signature", holds=True, detail=f"signed with key {signer}")
    findings = (signature, *proofs.compare(proof, shown), *_published(proof, publication, shown, keys))
    return ProofReport(findings=findings, proof=proof, key=signer)


def _published(
    proof: Proof, envelope: object, shown: VersionInGallery, keys: Sequence[PublicKey]
) -> tuple[ProofCheck, ...]:
    """The checks of the record of publication. One that no trusted key signed is not read.

    The check of the source is made with and without a record: the statement names it too.
    """
    without = proofs.compare_publication(proof, None, shown)
    if envelope is None or not proof.source:
        return without
    try:
        content, _ = _signed(envelope, keys)
        return proofs.compare_publication(proof, read_publication(content), shown)
    except FactoryError as error:
        source = next(check for check in without if check.name == "source")
        return (source, ProofCheck(name="publication", holds=False, detail=str(error)))


def _signed(envelope: object, keys: Sequence[PublicKey]) -> tuple[bytes, str]:
    """The content of an envelope, and which key signed it. Raises FactoryError where none of these did."""
    signed = Envelope.from_wire(json.dumps(envelope).encode())
    message, signatures = signed.signed_message(), signed.to_domain()
    known = {key.id: key for key in keys}
    signer = next(
        (
            each.key
            for each in signatures
            if each.key in known and es256.is_signed(known[each.key], message, each.value)
        ),
        None,
    )
    if signer is None:
        names = ", ".join(sorted({each.key[:60] or "an unnamed key" for each in signatures}))
        raise NotProven(f"no trusted key signed it: its signatures name {names}")
    return signed.content(), signer


def verify(
    name: Annotated[str, typer.Argument(metavar="IMAGE[@VERSION]", help="Default: its current version.")],
    url: options.Url = "",
    ca_file: options.CaFile = "",
    key: Annotated[
        Path | None,
        typer.Option(
            "--key", metavar="FILE", exists=True, dir_okay=False, help="Trust this public key (PEM)."
        ),
    ] = None,
    gallery_version_id: Annotated[
        str,
        typer.Option("--gallery-version-id", metavar="ID", help="Read this version from Azure."),
    ] = "",
    arm: Annotated[
        str, typer.Option("--arm-endpoint", envvar="IMAGEFACTORY_ARM_ENDPOINT", help="Azure's address.")
    ] = gallery.ARM,
    as_json: Annotated[bool, typer.Option("--json", help="The same as -o json.")] = False,
    output: options.Output = Format.TABLE,
) -> None:
    """Verify a live version: who signed it, for which content, and that it passed its gates. Exit 1 unless all hold."""
    pinned = None if key is None else _read_key(key)
    client = options.client_of(url, ca_file)
    image, version = _wanted(name, gallery_version_id, client)
    keys = _published_keys(client) if pinned is None else pinned
    shown = client.get_provenance(image, version)
    tagged_version = _tagged_version(image, version, shown, gallery_version_id, arm, ca_file)
    verdict = judge(shown.get("envelope"), shown.get("publication"), tagged_version, keys)
    report = _report(
        image, version, verdict, tagged_version, is_pinned=key is not None, from_azure=gallery_version_id
    )
    if as_json or output is Format.JSON:
        screen.write_json(report)
    else:
        _show(report)
    if not verdict.holds:
        raise typer.Exit(Exit.REFUSED)


def _wanted(name: str, identity: str, client: Client) -> tuple[str, str]:
    image, version = options.image_and_version_of(name)
    if identity:
        named = VersionId.parse(identity)
        if named.image != image or version not in ("", named.version):
            raise Misused(f"--gallery-version-id names {named.image}@{named.version}, not {name}")
        return image, named.version
    if version:
        return image, version
    current = client.get_image(image)[0].get("version")
    if not current:
        raise CommandRefused(f"{image} has no current version: nothing was published yet")
    return image, str(current)


def _read_key(path: Path) -> list[PublicKey]:
    try:
        return [es256.read_public(path.read_bytes()[:_KEY_LIMIT])]
    except (OSError, InvalidValue) as error:
        raise Misused(f"--key {path} cannot be used: {error}") from error


def _published_keys(client: Client) -> list[PublicKey]:
    """The factory's keys. It does not sign provenance with keys of another kind, so they are left out."""
    try:
        return [
            PublicKey(x=str(each["x"]), y=str(each["y"]))
            for each in client.list_provenance_keys()
            if each.get("kty") == "EC" and each.get("crv") == "P-256"
        ]
    except (KeyError, TypeError, AttributeError) as error:
        raise Unreachable("the factory's keys are not a JSON Web Key Set") from error


def _tagged_version(
    image: str, version: str, shown: Json, identity: str, arm: str, ca_file: str
) -> VersionInGallery:
    """The version as Azure shows it, else as the factory does. Its names are always those that were asked for."""
    if identity:
        named = VersionId.parse(identity)
        token = sign_in.azure_token(os.environ)
        return gallery.read_version(named, token, arm=checked_url(arm), ca_file=ca_file)
    stored = shown.get("tags")
    if not isinstance(stored, dict):
        raise Unreachable("the factory sent no tags of the version: its release may be too old")
    return VersionInGallery(
        subject=str(shown.get("subject", "")),
        image=image,
        version=version,
        tags={str(name): str(value) for name, value in stored.items()},
        facts=VersionFacts(
            source=str(shown.get("source") or ""),
            published_at=proofs.parse_published(shown.get("published_at")),
            disk_gb=gallery.size_of(shown.get("disk_gb")),
        ),
    )


def _report(
    image: str,
    version: str,
    verdict: ProofReport,
    tagged_version: VersionInGallery,
    *,
    is_pinned: bool,
    from_azure: str,
) -> Json:
    proof = verdict.proof
    return {
        "image": image,
        "version": version,
        "subject": tagged_version.subject,
        "verified": verdict.holds,
        "key": verdict.key or None,
        "key_from": "pinned" if is_pinned else "factory",
        "tags_from": "azure" if from_azure else "factory",
        "build": None if proof is None else proof.build,
        "checks": [
            {"check": each.name, "holds": each.holds, "proven": each.is_proven, "detail": each.detail}
            for each in verdict.findings
        ],
        "not_proven": [each.name for each in verdict.findings if each.holds and not each.is_proven],
        "gates": []
        if proof is None
        else [
            {"gate": each.gate, "passed": each.passed, "simulated": each.simulated, "evidence": each.evidence}
            for each in proof.verdicts
        ],
        "simulated": [] if proof is None else list(proof.simulated),
    }


def _show(report: Json) -> None:
    rows = [(each["check"], _result(each), each["detail"]) for each in report["checks"]]
    name = f"{report['image']}@{report['version']}"
    screen.table(f"{name}: {report['subject']}", ("check", "result", "detail"), rows)
    if report["simulated"]:
        screen.note(f"SIMULATED: no machine was tested for {', '.join(report['simulated'])}")
    if report["not_proven"]:
        screen.note(f"NOT PROVEN, and nothing speaks against it: {', '.join(report['not_proven'])}")
    if report["key_from"] == "factory":
        screen.note("the factory itself was trusted for its public keys: pin one with --key")
    if report["tags_from"] == "factory":
        screen.note(
            "tags, source and date are as the factory sent them: --gallery-version-id reads them from Azure"
        )
    screen.say(f"{name} is {'verified' if report['verified'] else 'NOT verified'}")


def _result(check: Json) -> str:
    if not check["holds"]:
        return "failed"
    return "passed" if check["proven"] else "not proven"


def _unsigned(why: str) -> ProofReport:
    return ProofReport(findings=(ProofCheck(name="signature", holds=False, detail=why),), proof=None)
