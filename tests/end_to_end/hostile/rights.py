"""Monday and Tuesday: tokens of every shape, and images, names, bases and bundles of others."""

from collections.abc import Iterator

from tests.end_to_end.hostile import factory
from tests.end_to_end.hostile.attempts import NO_ROLE, WHY, Attempt, put, row
from tests.end_to_end.hostile.factory import EVE, Caller, ask

# Monday: tokens of every shape.
UNMAPPED = "b1b2c3d4-1111-4222-8333-444455556666"
READER_OF_PAYMENTS = Caller("rita", ("Factory.Reader",), (factory.GROUP,))
TOKENS = (
    row(0, "no token", ask("GET", "/api/images", None), 401, "Bearer"),
    row(
        0,
        "a token of the past",
        ask("GET", "/api/images", Caller("old", ("Team.evil",), seconds=-600)),
        401,
        "Bearer",
    ),
    row(
        0,
        "a token for Azure",
        ask("GET", "/api/images", Caller("arm", ("Factory.Admin",), audience="https://management.azure.com")),
        401,
        "Bearer",
    ),
    row(
        0,
        "a platform header",
        ask("GET", "/api/images", None, headers={"X-MS-CLIENT-PRINCIPAL": "eyJ4IjoxfQ=="}),
        401,
        "Bearer",
    ),
    row(
        16,
        "an ID token",
        ask("GET", "/api/images", Caller("eve", ("Team.evil",), is_id_token=True)),
        401,
        "access token",
    ),
    row(
        16,
        "an ID token of SecOps",
        ask("PUT", "/api/pause", Caller("operator", ("Factory.Admin",), is_id_token=True), json=WHY),
        401,
        "access token",
    ),
    *(
        row(
            14,
            f"roles {roles} and groups {groups}",
            ask("GET", "/api/images", Caller("mallory", roles, groups)),
            403,
            NO_ROLE,
        )
        for roles, groups in (
            ((), ("Everyone",)),
            ((), ("",)),
            (("Team.",), ()),
            (("Team. ",), ()),
            (("team.evil",), ()),
            ((), ("payments",)),
            ((), ("secops",)),
            ((), (UNMAPPED,)),
            (("Factory.admin",), ()),
            (("Reader",), ()),
        )
    ),
    row(
        14,
        "an upload by the group Everyone",
        ask("PUT", "/api/bundles/{evil_bundle}", Caller("mallory", (), ("Everyone",)), content=b"x"),
        403,
        NO_ROLE,
    ),
    row(
        3,
        "a reader's group id as a team",
        put("evil-new", Caller("rita", ("Factory.Reader",), (UNMAPPED,)), team=UNMAPPED),
        403,
        NO_ROLE,
    ),
    row(
        3,
        "a role Team.ID",
        put("evil-new", Caller("rita", (f"Team.{UNMAPPED}",)), team=UNMAPPED),
        403,
        NO_ROLE,
    ),
    row(
        3,
        "a reader with the group of payments: rebuild",
        ask("POST", "/api/images/pay-api/builds", READER_OF_PAYMENTS, json=WHY),
        403,
        NO_ROLE,
    ),
    row(
        3,
        "the same: delete",
        ask("DELETE", "/api/images/pay-api", READER_OF_PAYMENTS, headers={"If-Match": "{pay_etag}"}),
        403,
        NO_ROLE,
    ),
    row(
        3,
        "the same: register",
        put("pay-api", READER_OF_PAYMENTS, on="{pay_etag}", team="payments"),
        403,
        NO_ROLE,
    ),
)

# Tuesday: images, names, bases and bundles of others.
OF_SECOPS = Caller("stan", ("Team.secops",))


def others(name: str, prefix: str, caller: Caller, finding: int) -> Iterator[Attempt]:
    """Every change of an image of others."""
    who = caller.subject
    etag = {"If-Match": f"{{{prefix}_etag}}"}
    parent = None if prefix == "base" else factory.BASE
    team = "secops" if prefix == "base" else "payments"
    version = f"/api/images/{name}/versions/{{{prefix}_version}}"
    yield row(
        finding,
        f"{who} deletes {name}",
        ask("DELETE", f"/api/images/{name}", caller, headers=etag),
        403,
        NO_ROLE,
    )
    yield row(
        finding,
        f"{who} rebuilds {name}",
        ask("POST", f"/api/images/{name}/builds", caller, json=WHY),
        403,
        NO_ROLE,
    )
    yield row(
        finding,
        f"{who} cancels a build of {name}",
        ask("POST", f"/api/builds/{{{prefix}_build}}/cancel", caller, json=WHY),
        403,
        NO_ROLE,
    )
    yield row(
        finding,
        f"{who} includes a version of {name}",
        ask("POST", f"{version}/include", caller, json=WHY),
        403,
        NO_ROLE,
    )
    yield row(
        finding,
        f"{who} edits {name}",
        put(name, caller, on=etag["If-Match"], parent=parent, team=team),
        403,
        NO_ROLE,
    )


OWNERSHIP = (
    *others("sec-base", "base", OF_SECOPS, 5),
    *others("sec-base", "base", EVE, 5),
    *others("pay-api", "pay", EVE, 0),
    row(0, "takes over pay-api", put("pay-api", on="{pay_etag}"), 403, "belongs to team payments"),
    row(0, "creates pay-api anew", put("pay-api"), 403, "belongs to team payments"),
    row(0, "gives an image to payments", put("evil-new", team="payments"), 403, NO_ROLE),
    row(5, "a base of team evil", put("evil-new", parent=None), 403, NO_ROLE),
    row(4, "the name of a deleted image", put("pay-gone"), 403, "reserved"),
    row(4, "the name of a deleted base", put("old-base"), 403, "it was the name of a base image"),
    row(
        4,
        "the name of a deleted base, for SecOps' team",
        put("old-base", OF_SECOPS, parent=None, team="secops"),
        403,
        NO_ROLE,
    ),
    row(
        4,
        "a handover to itself",
        ask("POST", "/api/names/pay-gone/handover", json={"to": "evil", **WHY}),
        403,
        NO_ROLE,
    ),
    row(
        4,
        "includes a version of a deleted image",
        ask("POST", "/api/images/pay-gone/versions/{gone_version}/include", json=WHY),
        404,
        "not-found",
    ),
    row(13, "the bundle of payments", put("evil-new", bundle="{pay_bundle}"), 403, "has not uploaded"),
    row(13, "the platform's bundle", put("evil-new", bundle="{platform_bundle}"), 403, "has not uploaded"),
    row(
        13,
        "the bundle of payments for an own image",
        put("evil-own", on="{evil_etag}", bundle="{pay_bundle}"),
        403,
        "has not uploaded",
    ),
    row(
        13,
        "shares the bundle with itself",
        ask("POST", "/api/bundles/{pay_bundle}/share", json={"to": "evil", **WHY}),
        403,
        NO_ROLE,
    ),
    row(13, "reads the bundle", ask("GET", "/api/bundles/{pay_bundle}"), 405, "method-not-allowed"),
    row(
        13,
        "uploads something else by its digest",
        ask("PUT", "/api/bundles/{pay_bundle}", content=b"x"),
        422,
        "the content has the SHA-256",
    ),
)
