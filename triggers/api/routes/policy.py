"""Routes of SecOps' policy: the policy in force, a new policy, and the earlier versions."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Response

from pipeline_core.ports import Principal
from pipeline_core.services.policies.policy import HISTORY_LIMIT, PolicyDocumentLost, PolicyShown, etag_of
from triggers.api import models
from triggers.api.authentication import caller_of
from triggers.api.forms.form import maybe_in_query
from triggers.api.forms.names import REVISION_CURSOR
from triggers.api.preconditions import Precondition, precondition_of, quoted
from triggers.api.problem import Refusal
from triggers.provider import Provider

_ETAG = {"description": "The version of the policy", "schema": {"type": "string"}}
_MOST = 10**9  # no policy has so many versions

Revision = Annotated[int, Path(ge=1, le=_MOST, description="The version's number")]


def router(factory: Provider) -> APIRouter:
    """The routes under `/api/policy`."""
    routes = APIRouter(prefix="/api/policy", tags=["policy"])

    @routes.get("", responses={200: {"headers": {"ETag": _ETAG}}}, openapi_extra={"x-refusals": [404]})
    def show_policy(response: Response) -> models.Policy:
        """The policy in force. 404 where SecOps has never put one in force: then everything is allowed.

        409 where its document was lost from storage, with the `ETag` over which it can be put in force again.
        """
        try:
            shown = factory().policy.shown()
        except PolicyDocumentLost as error:
            headers = {"ETag": quoted(etag_of(error.version))}
            raise Refusal(HTTPStatus.CONFLICT, "conflict", str(error), headers=headers) from error
        response.headers["ETag"] = quoted(etag_of(shown.version))
        return _policy(shown)

    @routes.put(
        "",
        responses={
            200: {"headers": {"ETag": _ETAG}},
            201: {"model": models.Policy, "description": "Created", "headers": {"ETag": _ETAG}},
        },
    )
    def put_policy(
        body: models.PolicyRequest,
        condition: Annotated[Precondition, Depends(precondition_of)],
        caller: Annotated[Principal, Depends(caller_of)],
        response: Response,
    ) -> models.Policy:
        """Put the first policy (`If-None-Match: *`) or another (`If-Match`) in force. SecOps only."""
        shown = factory().policy.put(
            body.document, caller, expected=condition.expected, create_only=condition.create_only
        )
        response.status_code = 201 if condition.create_only else 200
        response.headers["ETag"] = quoted(etag_of(shown.version))
        return _policy(shown)

    @routes.get("/versions")
    def list_policy_versions(
        before: Annotated[str | None, Depends(maybe_in_query("before", REVISION_CURSOR))],
        limit: Annotated[int, Query(ge=1, le=HISTORY_LIMIT)] = 50,
    ) -> models.PolicyVersions:
        """The versions that were put in force, by whom and when, newest first."""
        found = factory().policy.versions(before=int(before) if before else None, limit=limit)
        following = found[-1].revision if len(found) == limit and found[-1].revision > 1 else None
        return models.PolicyVersions.model_validate({"versions": found, "next": following})

    @routes.get("/versions/{revision}")
    def show_policy_version(revision: Revision) -> models.Policy:
        """One version with its document, in force or not."""
        return _policy(factory().policy.shown(revision))

    return routes


def _policy(shown: PolicyShown) -> models.Policy:
    version = models.PolicyVersion.model_validate(shown.version)
    return models.Policy(
        **dict(version), document=shown.document, unregistered=shown.unregistered, notes=shown.notes
    )
