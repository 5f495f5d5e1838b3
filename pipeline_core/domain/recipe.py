"""Which part of a definition shapes the image (the `recipe` of its fingerprint), and which one judges it."""

from datetime import date

from pipeline_core.domain.definitions import AnsibleStep, Hardening, ImageDefinition, Provisioner, ShellStep
from pipeline_core.domain.fingerprint import sha256_of
from pipeline_core.domain.names import Digest


def recipe_digest(definition: ImageDefinition) -> Digest:
    """Digest of the operating system traits, the provisioners in order, the hardening and the major version.

    Owners, labels, targets of notification, regions, retention, rebuild rules, machine size, timeout and
    what is verified stay outside: they change how an image is run or judged, not what it contains. The size of
    the disk is inside: it is a property of the version (`storageProfile.osDiskImage.sizeInGB`), every machine
    gets it (ADR 20). So are its volumes, and the served ports: the firewall of the image lets them in. A definition
    that names none of size, volumes, hardening and ports has the digest of the time before these keys.
    """
    os = definition.os
    shape: dict[str, object] = {
        "architecture": os.architecture.value,
        "generation": os.generation.value,
        "major": definition.major,
        "provisioners": [_step(step) for step in definition.build.provisioners],
        "security_type": os.security_type.value,
    }
    if definition.build.os_disk_gb is not None:
        shape["os_disk_gb"] = definition.build.os_disk_gb
    if definition.build.volumes:
        shape["volumes"] = [[each.mount, each.gb, each.share] for each in definition.build.volumes]
    if definition.hardening != Hardening():
        shape["hardening"] = [definition.hardening.profile, definition.hardening.fips]
    if definition.serves:
        shape["serves"] = sorted(map(str, definition.serves))
    return Digest(sha256_of(shape))


def gates_digest(definition: ImageDefinition) -> Digest:
    """Digest of the demands on a version before it is published: tests, profile, score, waivers, served ports.

    It does not describe the content of the image. If it changes, an input that failed a gate may try again.
    """
    verify = definition.verify
    target = verify.compliance
    asked = None
    if target is not None:
        waivers = sorted([each.rule, each.owner, _day(each.expires)] for each in target.waivers)
        asked = [target.profile, target.min_score, target.tailoring, waivers]
    others = sorted([each.kind.value, each.rule, each.path] for each in verify.waivers)
    served = sorted([str(each), each.when.value] for each in definition.serves)
    # Without waivers of another kind and without served ports, it is the digest of the time before these.
    later = [others, served] if served else [others] if others else []
    return Digest(sha256_of([verify.goss, list(verify.smoke), asked, *later]))


def limits_digest(definition: ImageDefinition) -> Digest:
    """Digest of what limits a run: the machine size and the timeout. The size of the disk is in the recipe.

    It does not describe the content of the image. If it changes, an input that failed may try again.
    """
    build = definition.build
    return Digest(sha256_of([build.vm_size, int(build.timeout.total_seconds())]))


def _day(day: date | None) -> str:
    return "" if day is None else day.isoformat()


def _step(step: Provisioner) -> list[object]:
    if isinstance(step, ShellStep):
        return ["shell", step.script, sorted(step.env)]
    if isinstance(step, AnsibleStep):
        return ["ansible", step.playbook]
    return ["file", step.path, step.destination]
