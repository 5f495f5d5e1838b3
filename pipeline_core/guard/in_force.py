"""What keeps a catalog from being put in force, beyond its form: policy, files, and images that name its tools."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from pipeline_core.domain.names import Digest, ImageName
from pipeline_core.domain.policy import Policy
from pipeline_core.domain.tools import ToolRecord, ToolState
from pipeline_core.guard import trials
from pipeline_core.wire.problems import Problem


def not_allowed(catalog: Mapping[str, object], policy: Policy) -> Iterator[Problem]:
    """The entries that SecOps' own policy does not allow. `guard.catalog` reports entries of a wrong form."""
    entries = catalog.get("entries")
    for position, entry in enumerate(entries if isinstance(entries, list) else ()):
        tool = entry.get("id") if isinstance(entry, Mapping) else None
        if policy.catalog and isinstance(tool, str) and tool not in policy.catalog:
            yield Problem(
                path=f"catalog.entries[{position}].id",
                message=f"is {tool[:60]!r}, which policy {policy.revision} does not allow in an image",
                remedy="put a policy in force that lists it, then send the catalog again",
            )


def not_admitted(catalog: Mapping[str, object], files: Iterable[ToolRecord]) -> Iterator[Problem]:
    """The entries whose files builds could not use. `guard.catalog` reports entries of a wrong form."""
    entries = catalog.get("entries")
    if not isinstance(entries, list) or not entries:
        return
    known = {str(file.sha256): file for file in files}
    for position, entry in enumerate(entries):
        sha256 = entry.get("sha256") if isinstance(entry, Mapping) else None
        record = known.get(sha256) if isinstance(sha256, str) else None
        if not isinstance(sha256, str) or not Digest.pattern.fullmatch(sha256):
            continue
        if record is None or record.state is not ToolState.ADMITTED:
            tool = str(entry.get("id"))[:60]
            yield Problem(
                path=f"catalog.entries[{position}].sha256",
                message=f"the file of {tool!r}, {sha256}, {_why_not(record)}",
                remedy=_remedy_of(record, tool, sha256),
            )


def still_used(used: Mapping[str, Sequence[ImageName]]) -> Iterator[Problem]:
    """The tools that would leave the catalog although these images name them."""
    for tool, images in sorted(used.items()):
        yield Problem(
            path="catalog.entries",
            message=f"has no {tool!r}, which {trials.some(images)} name",
            remedy="keep the tool until their teams have taken it out of spec.build.catalog; or send the catalog with "
            "`drop_used` (the option `--drop-used`): then no change reaches these images, and they say so",
        )


def _why_not(record: ToolRecord | None) -> str:
    if record is None:
        return "was never brought: builds may use admitted files only"
    return f"is {record.state.value}" + (f": {record.reason}" if record.reason else "")


def _remedy_of(record: ToolRecord | None, tool: str, sha256: str) -> str:
    """The command that repairs it. A file in quarantine needs nothing but time, or a scanner that works."""
    if record is not None and record.state is ToolState.REFUSED:
        return (
            "pin another file; or, where the finding is wrong, run"
            f" `imagefactory catalog remove {sha256} --reason TEXT`, and bring it again"
        )
    if record is not None and record.state is ToolState.QUARANTINED:
        return "wait until `imagefactory catalog list` shows it as admitted, then send the catalog again"
    return f"run `imagefactory catalog submit DIR {tool}`, then send the catalog again"
