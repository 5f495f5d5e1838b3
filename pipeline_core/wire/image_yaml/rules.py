"""Rules over more than one key of an `image.yaml`, on the raw mapping.

They run beside the schema, not after it, so that a person sees every error at once. They skip a value of the wrong
type, because the schema reports it.
"""

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice

from pipeline_core.domain.compliance import short_id
from pipeline_core.wire.document.part import mapping_at
from pipeline_core.wire.document.problems import PROBLEM_LIMIT
from pipeline_core.wire.document.values import shown
from pipeline_core.wire.problems import Problem

_KINDS = ("shell", "ansible", "file")
_SSH = "22/tcp"


def broken_rules(document: Mapping[str, object]) -> list[Problem]:
    """Every rule that the document breaks, up to the limit of problems."""
    spec = mapping_at(document, "spec")
    return list(islice(_all_rules(spec), PROBLEM_LIMIT))


def _all_rules(spec: Mapping[str, object]) -> Iterator[Problem]:
    if spec:  # the schema alone reports a missing `spec`
        yield from _origin(spec)
    yield from _os(mapping_at(spec, "os"))
    yield from _hardening(spec)
    build = mapping_at(spec, "build")
    yield from _volumes(build)
    for position, step in enumerate(_list(build.get("provisioners"))):
        if isinstance(step, Mapping):
            yield from _provisioner(f"spec.build.provisioners[{position}]", step)
    yield from _doubles("spec.build.catalog", _list(build.get("catalog")))
    yield from _served(_list(spec.get("serves")))
    yield from _doubles("spec.verify.smoke", _list(mapping_at(spec, "verify").get("smoke")))
    yield from _doubles("spec.rebuild.on", _list(mapping_at(spec, "rebuild").get("on")))
    yield from _doubles_of_key("spec.publish.regions", "name", mapping_at(spec, "publish").get("regions"))
    waivers = mapping_at(spec, "verify", "compliance").get("waivers")
    yield from _doubles_of_key("spec.verify.compliance.waivers", "rule", waivers)
    yield from _other_waivers(_list(mapping_at(spec, "verify").get("waivers")))
    for position, hook in enumerate(_list(spec.get("notify"))):
        if isinstance(hook, Mapping):
            yield from _doubles(f"spec.notify[{position}].events", _list(hook.get("events")))


def _served(ports: Iterable[object]) -> Iterator[Problem]:
    seen: dict[str, str] = {}
    for position, served in enumerate(ports):
        place = f"spec.serves[{position}]"
        number = served.get("port") if isinstance(served, Mapping) else None
        if not isinstance(served, Mapping) or not isinstance(number, int) or isinstance(number, bool):
            continue
        name = f"{number}/{served.get('protocol', 'tcp')}"
        if name == _SSH:
            yield Problem(path=place, message=f"is {_SSH}, which every image has for SSH", remedy="remove it")
        elif name in seen:
            yield Problem(
                path=place, message=f"has {name} again, after {seen[name]}", remedy="keep one of them"
            )
        seen.setdefault(name, place)


def _other_waivers(waivers: Iterable[object]) -> Iterator[Problem]:
    seen: dict[tuple[str, str], str] = {}
    for position, waiver in enumerate(waivers):
        place = f"spec.verify.waivers[{position}]"
        if not isinstance(waiver, Mapping):
            continue
        kinds = [key for key in ("hygiene", "invariant") if waiver.get(key) is not None]
        if len(kinds) != 1:
            yield Problem(
                path=place,
                message=f"has {'both hygiene and' if kinds else 'neither hygiene nor'} invariant",
                remedy="give hygiene with the rule and path of a finding, or invariant with the name of a test",
            )
            continue
        if (kinds[0] == "hygiene") is not (waiver.get("path") is not None):
            yield Problem(
                path=f"{place}.path",
                message="is missing" if kinds[0] == "hygiene" else "belongs to a hygiene finding alone",
                remedy="give the path of the finding, as the gate names it"
                if kinds[0] == "hygiene"
                else "remove it",
            )
        subject = (str(waiver.get(kinds[0])), str(waiver.get("path")))
        if subject in seen:
            yield Problem(
                path=place, message=f"is again the waiver of {seen[subject]}", remedy="keep one of them"
            )
        seen.setdefault(subject, place)


def _origin(spec: Mapping[str, object]) -> Iterator[Problem]:
    given = [key for key in ("parent", "marketplace") if spec.get(key) is not None]
    if len(given) == 2:
        yield Problem(
            path="spec",
            message="has both parent and marketplace",
            remedy="keep parent to build on a registered image, or marketplace to make a new base",
        )
    if not given:
        yield Problem(
            path="spec",
            message="has neither parent nor marketplace",
            remedy="add parent, like {image: rhel9-base}; only SecOps registers bases from marketplace",
        )


def _os(os: Mapping[str, object]) -> Iterator[Problem]:
    if os.get("generation") != "V1":
        return
    security = os.get("securityType", "TrustedLaunch")
    if security in ("TrustedLaunch", "TrustedLaunchSupported"):
        yield Problem(
            path="spec.os.securityType",
            message=f"is {security}, which a V1 machine cannot do",
            remedy="use generation V2, or securityType Standard",
        )
    if os.get("architecture") == "Arm64":
        yield Problem(
            path="spec.os.architecture", message="is Arm64, which needs V2", remedy="use generation V2"
        )


def _hardening(spec: Mapping[str, object]) -> Iterator[Problem]:
    hardening = mapping_at(spec, "hardening")
    if spec.get("hardening") is not None and spec.get("parent") is not None:
        yield Problem(
            path="spec.hardening",
            message="belongs to a base: a child is hardened as its parent is, FIPS too",
            remedy="remove it, or build on a base that has it",
        )
        return
    profile, scanned = hardening.get("profile"), mapping_at(spec, "verify", "compliance").get("profile")
    if isinstance(profile, str) and isinstance(scanned, str) and short_id(profile) != short_id(scanned):
        yield Problem(
            path="spec.verify.compliance.profile",
            message=f"is {shown(scanned)}, and spec.hardening.profile is {shown(profile)}",
            remedy="scan a base by the profile that it is hardened by",
        )


def _volumes(build: Mapping[str, object]) -> Iterator[Problem]:
    volumes, sizes, shares = _list(build.get("volumes")), 0, 0
    for position, volume in enumerate(volumes):
        if not isinstance(volume, Mapping):
            continue
        given = [key for key in ("sizeGb", "share") if volume.get(key) is not None]
        if len(given) != 1:
            yield Problem(
                path=f"spec.build.volumes[{position}]",
                message=f"has {'both sizeGb and' if given else 'neither sizeGb nor'} share",
                remedy="give sizeGb, the size that it has at least, or share, percent of the free space",
            )
        sizes += _number(volume.get("sizeGb"))
        shares += _number(volume.get("share"))
    yield from _doubles_of_key("spec.build.volumes", "mount", volumes)
    disk = _number(build.get("osDiskSizeGb"))
    if disk and sizes > disk:
        yield Problem(
            path="spec.build.volumes",
            message=f"need {sizes} GB, and spec.build.osDiskSizeGb is {disk}",
            remedy="give a larger disk, or smaller volumes",
        )
    if shares > 100:
        yield Problem(
            path="spec.build.volumes",
            message=f"share {shares} percent of the free space",
            remedy="give shares of 100 percent together at most",
        )


def _provisioner(path: str, step: Mapping[str, object]) -> Iterator[Problem]:
    kinds = [kind for kind in _KINDS if step.get(kind) is not None]
    if len(kinds) > 1:
        yield Problem(
            path=path,
            message=f"has {' and '.join(kinds)}",
            remedy="write one step for each; steps run in their order",
        )
    if not kinds:
        yield Problem(
            path=path,
            message="has none of shell, ansible and file",
            remedy="say what to do, like {shell: scripts/install.sh}",
        )
        return
    if "env" in step and "shell" not in kinds:
        yield Problem(
            path=f"{path}.env", message=f"has no meaning for {kinds[0]}", remedy="remove it, or use shell"
        )
    if "file" in kinds and step.get("destination") is None:
        yield Problem(
            path=f"{path}.destination",
            message="is missing",
            remedy="say where the file goes, like /etc/app.conf",
        )
    if "destination" in step and "file" not in kinds:
        yield Problem(
            path=f"{path}.destination",
            message=f"has no meaning for {kinds[0]}",
            remedy="remove it, or use file",
        )


def _doubles_of_key(path: str, key: str, entries: object) -> Iterator[Problem]:
    found = [entry.get(key) if isinstance(entry, Mapping) else None for entry in _list(entries)]
    yield from _doubles(path, found, suffix=f".{key}")


def _doubles(path: str, values: Iterable[object], suffix: str = "") -> Iterator[Problem]:
    seen: dict[str, int] = {}
    for position, value in enumerate(values):
        if not isinstance(value, str):
            continue
        if value in seen:
            yield Problem(
                path=f"{path}[{position}]{suffix}",
                message=f"has {shown(value)} again, after {path}[{seen[value]}]",
                remedy="keep one of them",
            )
        seen.setdefault(value, position)


def _number(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []
