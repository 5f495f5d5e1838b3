"""The guard for `platform/scap/settings.json`: how bases are hardened and scanned. Judges one key of the document.

The guest's steps read the rest: `platform/scap/content.sh` and `platform/roots/05-guide.sh`.
"""

from collections.abc import Iterator, Mapping

from pipeline_core.guard.findings import Finding
from pipeline_core.guard.rules import GuardRule

SETTINGS = "platform/scap/settings.json"  # in the platform bundle
_FORMER = "archive"  # where older platform steps name the release archive of the guide


def check_scap(document: object, *, is_in_force: bool = False) -> Iterator[Finding]:
    """A finding where the guide is pinned as an older release did: its own steps would end each build of a base.

    `is_in_force`: the bundle was registered before, perhaps by an older release, whose steps read the key.
    """
    if is_in_force or not isinstance(document, Mapping) or _FORMER not in document:
        return
    yield Finding(
        rule=GuardRule.SCAP_ARCHIVE,
        place=f"scap.{_FORMER}",
        message="is a key of an older release, which no step reads",
        remedy=(
            f"take it out of {SETTINGS}; to pin a release of the guide, add its archive to catalog.json as"
            " scap-security-guide, by its SHA-256"
        ),
    )
