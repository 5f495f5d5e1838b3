"""Hardens a made root as a build does: a scan, the playbook that the guide writes from it, then our role, twice.

What runs is the platform's own: the tailoring, the role, and the same oscap commands. `python -m tools.content` prints
the table.
"""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tools.content import guest, made_root, scan, tailoring
from tools.content.guest import GuestRun
from tools.content.scan import RootScan

ROOT: Final = Path(__file__).resolve().parents[2]
IMAGES: Final = ROOT / "images"
ANSIBLE: Final = ROOT / ".cache" / "ansible-rhel9"
PROFILES: Final = ("cis_server_l1", "cis", "stig")
DEFAULT: Final = "cis_server_l1"  # of images/platform/scap/settings.json


@dataclass(frozen=True, slots=True, kw_only=True)
class HardenedRoot:
    """A made root before and after, by one profile, and between the guide and our role. `raw` is without tailoring."""

    root: Path
    playbook: Path
    before: RootScan
    raw_before: RootScan
    between: RootScan
    after: RootScan
    raw_after: RootScan
    generated: GuestRun
    first: GuestRun
    second: GuestRun
    seconds: float


def play_role(root: Path, profile: str) -> GuestRun:
    """Run our role in `root` as a build of a base with `profile` does."""
    platform = IMAGES / "platform"
    return guest.play(
        root,
        platform / "roots" / "10-hardening.yml",
        site=ANSIBLE,
        roles=IMAGES / "roles",
        platform=platform,
        asked={} if profile == DEFAULT else {"IMAGEFACTORY_HARDENING": profile},
    )


def harden(folder: Path, profile: str) -> HardenedRoot:
    """Make a root in the empty `folder` and harden it by `profile`. Takes about 90 s on an idle machine."""
    root = folder / "root"
    root.mkdir()
    made_root.make(root)
    adjusted = tailoring.FOLDER / f"tailoring-{profile}.xml"
    before = scan.scan(root, profile, tailoring=adjusted, results=folder / "before.xml")
    raw_before = scan.scan(root, profile, tailoring=None, results=folder / "raw-before.xml")
    plays = folder / "plays"
    plays.mkdir()
    playbook = plays / "guide.yml"
    scan.fix(folder / "before.xml", tailoring=adjusted, playbook=playbook)
    started = time.monotonic()
    generated = guest.play(root, playbook, site=ANSIBLE)
    seconds = time.monotonic() - started
    made_root.boot(root)
    between = scan.scan(root, profile, tailoring=adjusted, results=folder / "between.xml")
    first = play_role(root, profile)
    second = play_role(root, profile)
    made_root.boot(root)
    return HardenedRoot(
        root=root,
        playbook=playbook,
        before=before,
        raw_before=raw_before,
        between=between,
        after=scan.scan(root, profile, tailoring=adjusted, results=folder / "after.xml"),
        raw_after=scan.scan(root, profile, tailoring=None, results=folder / "raw-after.xml"),
        generated=generated,
        first=first,
        second=second,
        seconds=seconds,
    )
