"""Wednesday: bundles and files, and too much of everything."""

import gzip
import hashlib
import tarfile
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.end_to_end.hostile import factory
from tests.end_to_end.hostile.attempts import NO_ROLE, WHY, changed, put, repeat, row
from tests.end_to_end.hostile.factory import EVA, Answer, Caller, Do, Week, ask
from tests.unit.guard.archives import bundle_of, member
from tests.unit.guard.raw_tar import END
from tests.unit.guard.test_readers import ATTACKS

GRANT = {"kind": "scan", "rule": "partition_for_tmp", "until": "2099-01-31", **WHY}
FLOODER = Caller("flo", ("Team.evil",))


def waived(owner: str, name: str = "evil-new") -> dict[str, Any]:
    """An image whose team waives a rule in the name of `owner`."""
    day = (datetime.now(UTC) + timedelta(days=30)).date().isoformat()
    waiver = {"rule": "partition_for_tmp", "reason": "we need it", "owner": owner, "expires": day}
    scan = {"profile": "cis_server_l1", "minScore": 90, "waivers": [waiver]}
    return changed(verify={"compliance": scan}, metadata_name=name)


def upload(content: bytes) -> Do:
    """An upload by its right digest."""
    digest = hashlib.sha256(content).hexdigest()
    return ask("PUT", f"/api/bundles/{digest}", EVA, content=content)


def packed(tar: bytes) -> bytes:
    return gzip.compress(tar, mtime=0)


def script(content: bytes, name: str = "run.sh") -> bytes:
    return bundle_of((member(name), content))


def evil_bundle(count: int) -> Do:
    """A new bundle that nothing is wrong with."""

    def do(week: Week) -> Answer:
        digest, content = factory.bundle(f"flood {count}")
        week.own_digests.add(digest)
        return ask("PUT", f"/api/bundles/{digest}", EVA, content=content)(week)

    return do


BUNDLES = (
    row(
        11,
        "a bomb: 0.1 MB that unpack to 64 MB",
        upload(script(bytes(64 * 1024 * 1024))),
        422,
        "more than 32 times its compressed size",
    ),
    row(
        11,
        "five bombs in one archive",
        upload(bundle_of(*((member(f"f{n}"), bytes(8 * 1024 * 1024)) for n in range(5)))),
        422,
        "more than 32 times its compressed size",
    ),
    *(
        row(19, f"an archive with {name}", upload(packed(tar + END)), 422, why)
        for name, (tar, _, why) in ATTACKS.items()
    ),
    row(
        0,
        "a link out of the folder",
        upload(bundle_of((member("x", kind=tarfile.SYMTYPE, link="/etc/passwd"), b""))),
        422,
        "is a symbolic link",
    ),
    row(
        0,
        "a hard link",
        upload(bundle_of((member("x", kind=tarfile.LNKTYPE, link="/etc/passwd"), b""))),
        422,
        "is a hard link",
    ),
    row(
        0,
        "a device",
        upload(bundle_of((member("x", kind=tarfile.CHRTYPE), b""))),
        422,
        "is a character device",
    ),
    row(
        0,
        "a name above the folder",
        upload(bundle_of((member("../../etc/cron.d/x"), b"x"))),
        422,
        "leads out of the bundle",
    ),
    row(
        0, "an absolute name", upload(bundle_of((member("/etc/cron.d/x"), b"x"))), 422, "has an absolute name"
    ),
    row(
        0,
        "a private key",
        upload(script(b"-----BEGIN PRIVATE KEY-----\n" + b"MIIEvQIBADANBgkqhkiG9w0BAQEFAASC" * 8)),
        422,
        "private",
    ),
    row(0, "no archive", upload(b"not gzip at all"), 422, "is not a gzip stream"),
    row(
        0,
        "another content than its digest",
        ask("PUT", "/api/bundles/" + "ab" * 32, EVA, content=script(b"x")),
        422,
        "digest",
    ),
    row(
        0,
        "21 MiB",
        ask("PUT", "/api/bundles/" + "ab" * 32, EVA, content=bytes(21 * 1024 * 1024)),
        413,
        "too-large",
    ),
)
FILES = (
    row(
        10,
        "a whole log of 5 MiB",
        ask("GET", "/api/builds/{pay_build}/evidence/verify-1/log.txt"),
        422,
        "Range",
    ),
    row(
        10,
        "all of it by Range",
        ask("GET", "/api/builds/{pay_build}/evidence/verify-1/log.txt", headers={"Range": "bytes=0-"}),
        206,
        "content-range: bytes 0-4194303/5242880",
    ),
    row(
        0,
        "a file above the folder",
        ask("GET", "/api/builds/{pay_build}/evidence/verify-1/..%2F..%2Fjob.json"),
        404,
        "there is nothing at this address",
    ),
    row(
        0,
        "another attempt",
        ask("GET", "/api/builds/{pay_build}/evidence/..%2Fverify-1/log.txt"),
        404,
        "nothing at this address",
    ),
)
LIMITS = (
    row(
        12,
        "a huge machine",
        put("evil-new", document=changed(build={"vmSize": "Standard_M416ms_v2"})),
        422,
        "as a size of machines",
    ),
    row(12, "eight hours", put("evil-new", document=changed(build={"timeout": "8h"})), 422, "timeout"),
    row(
        12,
        "100 replicas",
        put("evil-new", document=changed(publish={"regions": [{"name": "westeurope", "replicas": 100}]})),
        422,
        "replicas",
    ),
    row(
        12,
        "two regions",
        put(
            "evil-new",
            document=changed(publish={"regions": [{"name": "westeurope"}, {"name": "northeurope"}]}),
        ),
        422,
        "regions",
    ),
    row(
        6,
        "a waiver in SecOps' name",
        put("evil-waived", EVA, document=waived("secops@example.com", "evil-waived")),
        201,
        "imagefactory waivers grant evil-waived partition_for_tmp",
    ),
    row(6, "a grant of it", ask("PUT", "/api/images/evil-waived/waivers", EVA, json=GRANT), 403, NO_ROLE),
    row(6, "what counts of it", ask("GET", "/api/waivers?image=evil-waived", EVA), 200, '"state":"asked"'),
    row(
        12,
        "image after image",
        repeat(20, lambda count: put(f"evil-n{count}", EVA)),
        422,
        f"after {factory.IMAGES - 2}: ",
    ),
    row(
        7,
        "request after request",
        repeat(
            40,
            lambda count: ask(
                "POST", "/api/images/evil-own/builds", EVA, json=WHY, headers={"Idempotency-Key": f"n{count}"}
            ),
        ),
        429,
        f"after {factory.REQUESTS - 1}: ",
    ),
    row(
        7,
        "when the next one may come",
        ask("POST", "/api/images/evil-own/builds", EVA, json=WHY),
        429,
        "retry-after: ",
    ),
    row(
        7,
        "the same by somebody else of the team",
        ask("POST", "/api/images/evil-own/builds", Caller("ed", ("Team.evil",)), json=WHY),
        429,
        "requestsPerDay",
    ),
    row(11, "bundle after bundle", repeat(40, evil_bundle), 429, f"after {factory.BUNDLES - 1}: "),
    row(
        7,
        "change after change",
        repeat(600, lambda _: ask("POST", "/api/images/nobody-has-it/builds", FLOODER, json=WHY)),
        429,
        "changesPerMinute",
    ),
)
