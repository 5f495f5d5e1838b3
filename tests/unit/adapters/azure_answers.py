"""Azure's own answers, by what each of them means to us; names and ids in them are ours."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from azure.core.exceptions import HttpResponseError
from azure.mgmt.core.exceptions import ARMErrorFormat

from pipeline_core.domain.errors import ErrorClass
from tests.unit.adapters.test_error_translation import Answer

GROUP = "/subscriptions/s/resourceGroups/rg-build/providers/Microsoft.ContainerInstance/containerGroups/if-build-1"
VERSION = "Microsoft.Compute/galleries/live/images/rhel9-base/versions/9.20261121.1"
CLIENT = "33333333-3333-4333-8333-333333333333"


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """An answer of Azure Resource Manager: `error` is the whole object below `error`."""

    status: int
    error: Mapping[str, Any]
    headers: Mapping[str, str] = field(default_factory=dict)
    wait: timedelta | None = None

    def raised(self) -> HttpResponseError:
        answer: Any = Answer(self.status, json.dumps({"error": self.error}), self.headers)
        return HttpResponseError(response=answer, error_format=ARMErrorFormat)


@dataclass(frozen=True, slots=True, kw_only=True)
class Storage:
    """An answer of table storage."""

    status: int
    code: str
    message: str
    wait: timedelta | None = None

    def raised(self) -> HttpResponseError:
        said = f"{self.message}\nRequestId:5b2c0f3e-0002-0050-1234-aabbcc000000\nTime:2026-11-21T09:00:00.0000000Z"
        body = {"odata.error": {"code": self.code, "message": {"lang": "en-US", "value": said}}}
        answer: Any = Answer(self.status, json.dumps(body), {"x-ms-error-code": self.code})
        return HttpResponseError(message=said, response=answer)


def arm(status: int, code: str, message: str, **more: Any) -> Arm:
    """An answer of Azure Resource Manager with a code and a message alone."""
    return Arm(status=status, error={"code": code, "message": message}, **more)


THROTTLED_COMPUTE = Arm(
    status=429,
    error={
        "code": "OperationNotAllowed",
        "message": "The server rejected the request because too many requests have been received for this"
        " subscription.",
        "details": [
            {
                "code": "TooManyRequests",
                "target": "HighCostGet30Min",
                "message": '{"operationgroup":"HighCostGet30Min","starttime":"2026-11-21T09:11:28+00:00",'
                '"endtime":"2026-11-21T09:32:50+00:00","allowedrequestcount":900,"measuredrequestcount":1205}',
            }
        ],
    },
    headers={"Retry-After": "1235"},
    wait=timedelta(seconds=1235),
)
DISALLOWED = Arm(
    status=403,
    error={
        "code": "RequestDisallowedByPolicy",
        "target": "if-build-1",
        "message": "Resource 'if-build-1' was disallowed by policy. Policy identifiers: '"
        '[{"policyAssignment":{"name":"Allowed locations","id":"/providers/policyAssignments/a"},'
        '"policyDefinition":{"name":"Allowed locations","id":"/providers/policyDefinitions/d"}}]'
        "'.",
        "additionalInfo": [
            {
                "type": "PolicyViolation",
                "info": {
                    "policyDefinitionDisplayName": "Allowed locations",
                    "policyDefinitionEffect": "deny",
                    "policyAssignmentName": "a",
                },
            }
        ],
    },
)
NO_ROOM = (
    "The requested resource is not available in the location 'westeurope' at this moment. Please retry with a"
    " different resource request or in another location. Resource requested: '1' CPU '2' GB memory 'Linux' OS"
    " virtual network"
)
CORES = (
    "Operation could not be completed as it results in exceeding approved Total Regional Cores quota. Additional"
    " details - Deployment Model: Resource Manager, Location: westeurope, Current Limit: 10, Current Usage: 8,"
    " Additional Required: 4, (Minimum) New Limit Required: 12."
)
ANSWERS: Mapping[str, tuple[Arm | Storage, ErrorClass]] = {
    "arm: a subscription's requests": (
        arm(
            429,
            "SubscriptionRequestsThrottled",
            "Number of requests for subscription 's' and operation 'GET/SUBSCRIPTIONS/RESOURCEGROUPS' exceeded the"
            " backend storage limit. Please try again after '6' seconds.",
            headers={"Retry-After": "6"},
            wait=timedelta(seconds=6),
        ),
        ErrorClass.THROTTLED,
    ),
    "arm: an operation type": (
        arm(
            429,
            "TooManyRequests",
            "The request is being throttled as the limit has been reached for operation type -"
            " Write_ObservationWindow_00:05:00. For more information, see - https://aka.ms/srpthrottlinglimits",
            headers={"Retry-After": "36"},
            wait=timedelta(seconds=36),
        ),
        ErrorClass.THROTTLED,
    ),
    "compute: a bucket is empty": (THROTTLED_COMPUTE, ErrorClass.THROTTLED),
    "tables: busy": (
        Storage(status=503, code="ServerBusy", message="The server is busy."),
        ErrorClass.THROTTLED,
    ),
    "aci: no room": (arm(409, "ServiceUnavailable", NO_ROOM), ErrorClass.CAPACITY),
    "compute: no room": (
        arm(
            409,
            "AllocationFailed",
            "Allocation failed. We do not have sufficient capacity for the requested VM size in this region. Read"
            " more about improving likelihood of allocation success at http://aka.ms/allocation-guidance",
        ),
        ErrorClass.CAPACITY,
    ),
    "compute: a size is sold out": (
        arm(
            409,
            "SkuNotAvailable",
            "The requested VM size for resource 'Following SKUs have failed for Capacity Restrictions:"
            " Standard_D2s_v5' is currently not available in location 'westeurope'. Please try another size or"
            " deploy to a different location or different zone. See https://aka.ms/azureskunotavailable",
        ),
        ErrorClass.CAPACITY,
    ),
    "aci: groups or cores are used up": (
        arm(
            409,
            "ContainerGroupQuotaReached",
            "Resource type 'Microsoft.ContainerInstance/containerGroups' container group quota 'StandardCores'"
            " exceeded in region 'westeurope'. Limit: '10', Usage: '10' Requested: '1'.",
        ),
        ErrorClass.QUOTA,
    ),
    "compute: cores are used up": (arm(409, "OperationNotAllowed", CORES), ErrorClass.QUOTA),
    "arm: broke": (
        arm(
            500,
            "InternalServerError",
            "Encountered internal server error. Diagnostic information: t.",
            wait=None,
        ),
        ErrorClass.NETWORK,
    ),
    "arm: down for a while": (
        arm(
            503,
            "ServiceUnavailable",
            "The service is currently unavailable, please try again.",
            headers={"Retry-After": "15"},
            wait=timedelta(seconds=15),
        ),
        ErrorClass.NETWORK,
    ),
    "arm: the provider did not answer": (
        arm(504, "GatewayTimeout", "The gateway did not receive a response from 'Microsoft.Compute'."),
        ErrorClass.NETWORK,
    ),
    "tables: took too long": (
        Storage(
            status=500,
            code="OperationTimedOut",
            message="Operation could not be completed within the specified time.",
        ),
        ErrorClass.NETWORK,
    ),
    "arm: a token ran out": (
        arm(
            401,
            "ExpiredAuthenticationToken",
            "The access token expiry UTC time '11/21/2026 8:22:51 AM' is earlier than current UTC time"
            " '11/21/2026 9:27:25 AM'.",
        ),
        ErrorClass.TOKEN,
    ),
    "arm: a token of another tenant": (
        arm(
            401,
            "InvalidAuthenticationTokenTenant",
            "The access token is from the wrong issuer 'https://sts.windows.net/t/'.",
        ),
        ErrorClass.TOKEN,
    ),
    "tables: no valid token": (
        Storage(
            status=403,
            code="AuthenticationFailed",
            message="Server failed to authenticate the request. Make sure the value of Authorization header is"
            " formed correctly including the signature.",
        ),
        ErrorClass.TOKEN,
    ),
    "aci: a group that is being deleted": (
        arm(
            409,
            "ContainerGroupTransitioning",
            "The container group 'if-build-1' is still transitioning, please retry later.",
        ),
        ErrorClass.CONFLICT,
    ),
    "compute: two writers": (
        arm(
            409,
            "Conflict",
            "The request failed due to conflict with a concurrent request. To resolve it, please refer to"
            " https://aka.ms/activitylog to get more details on the conflicting requests.",
        ),
        ErrorClass.CONFLICT,
    ),
    "compute: preempted by a newer one": (
        arm(
            409,
            "OperationPreempted",
            "Operation execution has been preempted by a more recent operation.",
        ),
        ErrorClass.CONFLICT,
    ),
    "arm: azure policy": (DISALLOWED, ErrorClass.AZURE_POLICY),
    "arm: azure policy, a missing tag": (
        arm(
            403,
            "RequestDisallowedByPolicy",
            "Resource 'ifab12vm' was disallowed by policy. Policy identifiers: 'require tag cost-centre'",
        ),
        ErrorClass.AZURE_POLICY,
    ),
    "aci: the registry does not answer": (
        arm(
            400,
            "InaccessibleImage",
            "The image 'acr.example.com/builder@sha256:00' in container group 'if-build-1' is not accessible. Please"
            " check the image and registry credential.",
        ),
        ErrorClass.REGISTRY,
    ),
    "aci: the registry answers with an error": (
        arm(
            409,
            "RegistryErrorResponse",
            "An error response is received from the docker registry 'acr.example.com'. Please retry later.",
        ),
        ErrorClass.REGISTRY,
    ),
    "aci: no address is left": (
        arm(
            400,
            "SubnetIsFull",
            "Subnet build with address prefix 10.20.0.0/28 does not have enough capacity for 1 IP addresses.",
        ),
        ErrorClass.QUOTA,
    ),
    "marketplace: terms that nobody has accepted": (
        arm(
            400,
            "ResourcePurchaseValidationFailed",
            "User failed validation to purchase resources. Error message: 'Legal terms have not been accepted for"
            " this item on this subscription.'",
        ),
        ErrorClass.TERMS,
    ),
    "marketplace: a purchase that is not allowed": (
        arm(
            400,
            "ResourcePurchaseValidationFailed",
            "User failed validation to purchase resources. Error message: 'The plan is not available to you.'",
        ),
        ErrorClass.PERMISSION,
    ),
    "marketplace: a version that was withdrawn": (
        arm(
            404,
            "ImageVersionDeprecated",
            "VM Image from publisher: RedHat with - Offer: RHEL, Sku: 9-lvm-gen2, Version: 9.4.2024081415 is"
            " deprecated.",
        ),
        ErrorClass.NOT_FOUND,
    ),
    "compute: a body it refuses": (
        arm(
            400,
            "InvalidParameter",
            "The value '9.20261121' of parameter 'galleryImageVersionName' is invalid.",
        ),
        ErrorClass.TEMPLATE,
    ),
    "compute: a trait that cannot change": (
        arm(
            409,
            "PropertyChangeNotAllowed",
            "Changing property 'galleryImage.properties.hyperVGeneration' is not allowed.",
        ),
        ErrorClass.TEMPLATE,
    ),
    "compute: a version is not there": (
        arm(
            404,
            "ResourceNotFound",
            f"The Resource '{VERSION}' under resource group 'rg-galleries' was not found. For more details please go"
            " to https://aka.ms/ARMResourceNotFoundFix",
        ),
        ErrorClass.NOT_FOUND,
    ),
    "marketplace: a source is not there": (
        arm(404, "NotFound", "Artifact: VMImage was not found."),
        ErrorClass.NOT_FOUND,
    ),
    "arm: a right is missing": (
        arm(
            403,
            "AuthorizationFailed",
            f"The client '{CLIENT}' with object id '{CLIENT}' does not have authorization to perform action"
            f" 'Microsoft.ContainerInstance/containerGroups/write' over scope '{GROUP}' or the scope is invalid. If"
            " access was recently granted, please refresh your credentials.",
        ),
        ErrorClass.PERMISSION,
    ),
    "arm: a right over something linked is missing": (
        arm(
            403,
            "LinkedAuthorizationFailed",
            f"The client '{CLIENT}' has permission to perform action"
            " 'Microsoft.Compute/galleries/images/versions/write' on scope 'v'; however, it does not have permission"
            " to perform action 'read' on the linked scope(s) or the linked scope(s) are invalid.",
        ),
        ErrorClass.PERMISSION,
    ),
    "arm: a lock": (
        arm(
            409,
            "ScopeLocked",
            f"The scope '{GROUP}' cannot perform delete operation because following scope(s) are locked:"
            " '/subscriptions/s/resourceGroups/rg-build'. Please remove the lock and try again.",
        ),
        ErrorClass.PERMISSION,
    ),
    "arm: a subscription that is disabled": (
        arm(
            409,
            "ReadOnlyDisabledSubscription",
            "The subscription 's' is disabled and therefore marked as read only. You cannot perform any write actions"
            " on this subscription until it is re-enabled.",
        ),
        ErrorClass.PERMISSION,
    ),
    "arm: a provider that nobody registered": (
        arm(
            409,
            "MissingSubscriptionRegistration",
            "The subscription is not registered to use namespace 'Microsoft.ContainerInstance'. See"
            " https://aka.ms/rps-not-found for how to register subscriptions.",
        ),
        ErrorClass.PERMISSION,
    ),
}
