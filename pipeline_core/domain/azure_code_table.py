"""The table of Azure's error codes: what each means here, and which document says so. Data only.

A source is a file of a public repository, an issue (`owner/name#number`) or a page of learn.microsoft.com. A row with
an empty source is unconfirmed: no document or report with this very code was found.
"""

from collections.abc import Iterator

from pipeline_core.domain.azure_code import AzureCode, Occasion
from pipeline_core.domain.errors import ErrorClass

_DOCS = "MicrosoftDocs/azure-docs articles"
_SUPPORT = "MicrosoftDocs/SupportArticles-docs support/azure"
_ACI = f"{_SUPPORT}/azure-container-instances/configuration-setup"
_LEARN = "learn.microsoft.com"
_DEPLOYMENT = f"{_DOCS}/azure-resource-manager/troubleshooting/common-deployment-errors.md"
_MACHINE = f"{_SUPPORT}/virtual-machines/error-messages.md"
_SPOT = "MicrosoftDocs/azure-compute-docs articles/virtual-machines/error-codes-spot.md"
_REST = f"{_LEARN} rest/api/storageservices"
_STORED, _BLOBS = f"{_REST}/common-rest-api-error-codes", f"{_REST}/blob-service-error-codes"
_TABLES, _QUEUES = f"{_REST}/table-service-error-codes", f"{_REST}/queue-service-error-codes"
_VAULT = f"{_LEARN} azure/key-vault/general/common-error-codes"
_ALLOCATION = f"{_SUPPORT}/virtual-machines/allocation-failure.md"
_THROTTLING = f"{_SUPPORT}/virtual-machines/troubleshooting-throttling-errors.md"
_PREEMPTED = "Azure/azure-sdk-for-java#1783"
_UNCONFIRMED = ""

_ARM, _CONTAINERS, _COMPUTE, _GALLERY = "Resource Manager", "Container Instances", "Compute", "Gallery"
_NETWORKS, _MARKETPLACE, _STORAGE, _KEYS, _ENTRA = "Network", "Marketplace", "Storage", "Key Vault", "Entra"

_TERMS = ("legal terms", "accept the terms", "accept terms")
_NO_ROOM = ("not available in the location", "capacity", "insufficient")
_LATER = ("another operation is in progress", "after some time", "being provisioned", "marked for deletion")


def _rows(
    service: str, source: str, error_class: ErrorClass | None, codes: str, *, vague: bool = False
) -> Iterator[AzureCode]:
    for code in codes.split():
        yield AzureCode(code=code, service=service, error_class=error_class, source=source, is_vague=vague)


def _if_said(
    words: tuple[str, ...], service: str, source: str, error_class: ErrorClass, code: str
) -> AzureCode:
    return AzureCode(code=code, service=service, error_class=error_class, source=source, words=words)


def _of(
    occasion: Occasion, service: str, source: str, error_class: ErrorClass, codes: str
) -> Iterator[AzureCode]:
    for code in codes.split():
        yield AzureCode(code=code, service=service, error_class=error_class, source=source, occasion=occasion)


_E = ErrorClass
_OF_RESOURCE_MANAGER = (
    *_rows(_ARM, _DEPLOYMENT, None, "DeploymentFailed InvalidTemplateDeployment"),
    *_rows(_ARM, "hashicorp/packer#10600", None, "ResourceDeploymentFailure"),
    *_rows(_ARM, _DEPLOYMENT, _E.THROTTLED, "SubscriptionRequestsThrottled"),
    *_rows(_ARM, _DEPLOYMENT, _E.QUOTA, "ResourceQuotaExceeded DeploymentQuotaExceeded *QuotaExceeded*"),
    *_rows(
        _ARM,
        _DEPLOYMENT,
        _E.CONFLICT,
        "AnotherOperationInProgress DeploymentActiveAndUneditable ResourceGroupBeingDeleted",
    ),
    *_rows(_ARM, _DEPLOYMENT, _E.CONFLICT, "Conflict", vague=True),
    *_rows(_ARM, _DEPLOYMENT, _E.NETWORK, "InternalServerError", vague=True),
    *_rows(_ARM, _DEPLOYMENT, _E.TOKEN, "InvalidAuthenticationTokenTenant"),
    *_rows(
        _ARM,
        _DEPLOYMENT,
        _E.PERMISSION,
        "AuthorizationFailed LinkedAuthorizationFailed DeploymentFailedCleanUp MissingSubscriptionRegistration"
        " InvalidSubscriptionRegistrationState MissingRegistrationForLocation SubscriptionNotRegistered"
        " RegionDoesNotAllowProvisioning",
    ),
    *_rows(_ARM, _DEPLOYMENT, _E.PERMISSION, "NoRegisteredProviderFound", vague=True),
    *_rows(_ARM, _DEPLOYMENT, _E.AZURE_POLICY, "RequestDisallowedByPolicy"),
    *_rows(
        _ARM,
        _DEPLOYMENT,
        _E.NOT_FOUND,
        "ResourceNotFound ResourceGroupNotFound SubscriptionNotFound ParentResourceNotFound"
        " InvalidResourceReference StorageAccountNotFound",
    ),
    *_rows(_ARM, _DEPLOYMENT, _E.NOT_FOUND, "NotFound", vague=True),
    *_rows(_ARM, _DEPLOYMENT, _E.TEMPLATE, "BadRequest InvalidParameter InvalidRequestContent", vague=True),
    *_rows(
        _ARM,
        _DEPLOYMENT,
        _E.TEMPLATE,
        "InvalidTemplate InvalidTemplateCircularDependency TemplateResourceCircularDependency JobSizeExceeded"
        " DeploymentJobSizeExceeded DeploymentNameInvalidCharacters DeploymentNameLengthLimitExceeded"
        " InvalidDeploymentLocation InvalidContentLink InvalidRequestFormat InvalidResourceLocation"
        " InvalidResourceNamespace InvalidResourceType LinkedInvalidPropertyId LocationRequired"
        " MismatchingResourceSegments PropertyChangeNotAllowed ReservedResourceName TooManyTargetResourceGroups",
    ),
    *_rows(_ARM, "hashicorp/terraform-provider-azurerm#17478", _E.PERMISSION, "ScopeLocked"),
    *_rows(_ARM, _THROTTLING, _E.THROTTLED, "TooManyRequests"),
    *_rows(_ARM, "microsoft/AzureNotebooks#586", _E.TOKEN, "ExpiredAuthenticationToken"),
    *_rows(_ARM, _UNCONFIRMED, _E.TOKEN, "InvalidAuthenticationToken"),
    *_rows(_ARM, "microsoft/vscode-azureappservice#1646", _E.PERMISSION, "ReadOnlyDisabledSubscription"),
    *_rows(_ARM, "microsoft/foundry-toolkit#649", _E.AZURE_POLICY, "RequestDisallowedByAzure"),
    *_rows(_ARM, _UNCONFIRMED, _E.AZURE_POLICY, "PolicyViolation"),
    *_rows(_ARM, "Azure/azure-cli#31815", _E.NETWORK, "GatewayTimeout"),
    *_rows(_ARM, "microsoft/MLOS#950", _E.NETWORK, "ServerTimeout"),
    *_rows(
        _ARM,
        _UNCONFIRMED,
        _E.CONFLICT,
        "DeploymentCanceled DeploymentCannotBeCancelled",
    ),
    *_rows(_ARM, "Azure/modern-web-app-pattern-dotnet#143", _E.CONFLICT, "DeploymentActive"),
    *_rows(_ARM, "Azure/azure-sdk-for-python#25506", _E.CONFLICT, "CannotDeleteResource"),
    *_rows(_ARM, "Azure/azure-cli#21156", _E.CONFLICT, "CanceledAndSupersededDueToAnotherOperation"),
    *_rows(_ARM, "Azure/azure-sdk-for-go#22571", _E.TEMPLATE, "MissingApiVersionParameter"),
    *_rows(_ARM, "Azure/azure-cli#28038", _E.TEMPLATE, "InvalidApiVersionParameter"),
    *_rows(_ARM, "Azure/azure-cli#14481", _E.TEMPLATE, "InvalidResourceGroup"),
    *_rows(_ARM, "Azure/azure-cli#2635", _E.TEMPLATE, "InvalidDeployment"),
    *_rows(_ARM, "Azure/azure-cli#22242", _E.TEMPLATE, "InvalidResourceGroupLocation"),
    *_rows(_ARM, "hashicorp/packer#4928", _E.TEMPLATE, "InvalidJson"),
    *_rows(
        _ARM,
        _UNCONFIRMED,
        _E.TEMPLATE,
        "RequestContentTooLarge",
    ),
)
_OF_COMPUTE = (
    _if_said(("quota", " cores"), _COMPUTE, _DEPLOYMENT, _E.QUOTA, "OperationNotAllowed"),
    _if_said(("throttl", "too many requests"), _COMPUTE, _THROTTLING, _E.THROTTLED, "OperationNotAllowed"),
    _if_said(_LATER, _COMPUTE, _MACHINE, _E.CONFLICT, "OperationNotAllowed"),
    *_rows(_COMPUTE, _MACHINE, _E.TEMPLATE, "OperationNotAllowed", vague=True),
    *_rows(_COMPUTE, _DEPLOYMENT, _E.CAPACITY, "AllocationFailed SkuNotAvailable"),
    *_rows(_COMPUTE, _MACHINE, _E.CAPACITY, "OverconstrainedAllocationRequest"),
    *_rows(
        _COMPUTE,
        "gardener/gardener-extension-provider-azure#881",
        _E.CAPACITY,
        "OverconstrainedZonalAllocationRequest",
    ),
    *_rows(_COMPUTE, _ALLOCATION, _E.CAPACITY, "ZonalAllocationFailed"),
    *_rows(_COMPUTE, _SPOT, _E.CAPACITY, "SpotPriceGreaterThanProvidedMaxPrice"),
    *_rows(
        _COMPUTE,
        _MACHINE,
        _E.NETWORK,
        "VMStartTimedOut OSProvisioningInternalError OSProvisioningTimedOut OSProvisioningClientError"
        " InternalOperationError NetworkingInternalOperationError DiagnosticsOperationInternalError"
        " StorageAccountOperationInternalError VMArtifactRepositoryInternalError VMRedeploymentFailed"
        " VMRedeploymentTimedOut VMExtensionManagementInternalError VMExtensionProvisioningTimeout"
        " VMAgentStatusCommunicationError",
    ),
    *_of(
        Occasion.VERIFY,
        _COMPUTE,
        _MACHINE,
        _E.SMOKE,
        "OSProvisioningTimedOut OSProvisioningClientError",
    ),
    *_rows(_COMPUTE, "cloudfoundry/bosh-azure-cpi-release#118", _E.NETWORK, "InternalExecutionError"),
    *_rows(_COMPUTE, _UNCONFIRMED, _E.NETWORK, "InternalDiskManagementError"),
    *_rows(_COMPUTE, _MACHINE, None, "DiskPreparationError DiskProcessingError"),
    *_rows(_COMPUTE, _UNCONFIRMED, None, "VMProvisioningFailure"),
    *_rows(_COMPUTE, _MACHINE, _E.THROTTLED, "StorageAccountTooBusy TooManyVMRedeploymentRequests"),
    *_rows(
        _COMPUTE,
        _MACHINE,
        _E.CONFLICT,
        "AcquireDiskLeaseFailed AttachDiskWhileBeingDetached ConflictingUserInput ContainerAlreadyOnLease"
        " DiskBlobAlreadyInUseByAnotherDisk DiskImageNotReady ResourceUpdateBlockedOnPlatformUpdate"
        " TargetDiskBlobAlreadyExists",
    ),
    *_rows(_COMPUTE, _DEPLOYMENT, _E.CONFLICT, "OperationNotAllowedOnVMImageAsVMsBeingProvisioned"),
    *_rows(
        _NETWORKS,
        "hashicorp/terraform#7986",
        _E.CONFLICT,
        "RetryableError RetryableError* ReferencedResourceNotProvisioned",
    ),
    *_of(Occasion.CALL, _COMPUTE, _PREEMPTED, _E.CONFLICT, "OperationPreempted"),
    # A machine of a build has one writer. What preempts its operation is its deletion: by Azure, or by the reaper.
    *_rows(_COMPUTE, _PREEMPTED, _E.EVICTION, "OperationPreempted"),
    *_rows(
        _COMPUTE,
        _MACHINE,
        _E.NOT_FOUND,
        "ArtifactNotFound ArtifactVersionNotFound DiskBlobNotFound ImageBlobNotFound VMNotFound",
    ),
    *_rows(_COMPUTE, _MACHINE, _E.PERMISSION, "SubscriptionNotAuthorizedForImage"),
    *_rows(_COMPUTE, _SPOT, _E.PERMISSION, "AzureSpotFeatureNotEnabledForSubscription"),
    *_rows(
        _COMPUTE,
        _MACHINE,
        _E.TEMPLATE,
        "InvalidAccountType VHDSizeInvalid StorageAccountTypeNotSupported",
    ),
    *_rows(
        _COMPUTE,
        _SPOT,
        _E.TEMPLATE,
        "AzureSpotIsNotSupportedForThisVMSize EvictionPolicyCanBeSetOnlyOnAzureSpotVirtualMachines"
        " MaxPriceIsSupportedOnlyForAzureSpotVirtualMachines MaxPriceValueInvalid",
    ),
)
_OF_NETWORK = (
    *_rows(_NETWORKS, _DEPLOYMENT, _E.QUOTA, "SubnetIsFull PublicIPCountLimitReached"),
    *_rows(_NETWORKS, _DEPLOYMENT, _E.CONFLICT, "InUseSubnetCannotBeDeleted"),
    *_rows(
        _NETWORKS,
        "hashicorp/terraform-provider-azurerm#297",
        _E.CONFLICT,
        "PublicIPAddressCannotBeDeleted",
    ),
    *_rows(_NETWORKS, "hashicorp/terraform-provider-azurerm#8105", _E.CONFLICT, "NicInUse"),
    *_rows(_NETWORKS, _UNCONFIRMED, _E.CONFLICT, "InUseNetworkSecurityGroupCannotBeDeleted"),
    *_rows(
        _NETWORKS,
        _DEPLOYMENT,
        _E.TEMPLATE,
        "PrivateIPAddressInReservedRange PrivateIPAddressNotInSubnet SubnetsNotInSameVnet",
    ),
)
_OF_MARKETPLACE = (
    *_rows(_MARKETPLACE, "hashicorp/packer-plugin-azure#53", _E.NOT_FOUND, "PlatformImageNotFound"),
    *_rows(_MARKETPLACE, _DEPLOYMENT, _E.NOT_FOUND, "ImageNotFound"),
    *_rows(_MARKETPLACE, "MicrosoftDocs/azure-docs#113677", _E.NOT_FOUND, "ImageVersionDeprecated"),
    _if_said(_TERMS, _MARKETPLACE, "hashicorp/packer#6009", _E.TERMS, "BadRequest"),
    _if_said(_TERMS, _MARKETPLACE, "hashicorp/packer#6009", _E.TERMS, "MarketplacePurchaseEligibilityFailed"),
    *_rows(
        _MARKETPLACE,
        "hashicorp/packer#6009",
        _E.PERMISSION,
        "MarketplacePurchaseEligibilityFailed",
        vague=True,
    ),
    _if_said(
        _TERMS,
        _MARKETPLACE,
        "hashicorp/terraform-provider-azurerm#1145",
        _E.TERMS,
        "ResourcePurchaseValidationFailed",
    ),
    *_rows(
        _MARKETPLACE,
        "hashicorp/terraform-provider-azurerm#19195",
        _E.PERMISSION,
        "ResourcePurchaseValidationFailed",
    ),
    _if_said(_TERMS, _MARKETPLACE, _UNCONFIRMED, _E.TERMS, "VMMarketplaceInvalidInput"),
    *_rows(_MARKETPLACE, _MACHINE, _E.TEMPLATE, "VMMarketplaceInvalidInput"),
)
_OF_GALLERY = (
    *_rows(_GALLERY, "Azure/AgentBaker#8373", _E.NOT_FOUND, "GalleryImageNotFound"),
    *_rows(_GALLERY, _UNCONFIRMED, _E.CAPACITY, "GalleryReplicationJobsFailed"),
    *_rows(
        _GALLERY,
        "hashicorp/packer-plugin-azure#183",
        _E.NETWORK,
        "InvalidBeginGetAccessForGalleryImageVersionSnapshotResponseFromPIR",
    ),
)
_OF_CONTAINERS = (
    *_rows(_CONTAINERS, f"{_ACI}/inaccessible-image.md", _E.REGISTRY, "InaccessibleImage"),
    *_rows(
        _CONTAINERS,
        f"{_ACI}/docker-hub-rate-limit-registryerrorresponse.md",
        _E.REGISTRY,
        "RegistryErrorResponse",
    ),
    *_rows(
        _CONTAINERS,
        f"{_ACI}/spot-container-group-quota-reached-error.md",
        _E.QUOTA,
        "ContainerGroupQuotaReached",
    ),
    *_rows(
        _CONTAINERS,
        f"{_ACI}/container-group-transitioning-state.md",
        _E.CONFLICT,
        "ContainerGroupTransitioning",
    ),
    _if_said(
        ("quota",),
        _CONTAINERS,
        f"{_ACI}/service-unavailable-container-group-quota-exceeded.md",
        _E.QUOTA,
        "ServiceUnavailable",
    ),
    _if_said(
        _NO_ROOM,
        _CONTAINERS,
        f"{_ACI}/service-unavailable-requested-resource-is-not-available.md",
        _E.CAPACITY,
        "ServiceUnavailable",
    ),
    *_rows(_CONTAINERS, _UNCONFIRMED, _E.NETWORK, "ServiceUnavailable", vague=True),
    *_rows(
        _CONTAINERS,
        f"{_ACI}/error-codes-spot-container-creation.md",
        _E.TEMPLATE,
        "SpotPriorityContainerGroupNotSupportedForInboundConnectivity SpotPriorityContainerGroupNotSupportedInSku"
        " SpotPriorityContainerGroupWithGPUResourcesNotSupported PriorityNotSpecified",
    ),
    *_rows(
        _CONTAINERS,
        f"{_SUPPORT}/azure-container-instances/management/acr-image-pull-failures-managed-identity.md",
        _E.TEMPLATE,
        "AmbiguousImageResitryCredentialType InvalidImageRegistryIdentity",
    ),
    *_rows(_CONTAINERS, _UNCONFIRMED, _E.TEMPLATE, "InvalidContainerGroupUpdate"),
    *_rows(
        _CONTAINERS,
        _UNCONFIRMED,
        _E.TOKEN,
        "FailedIdentityOperation FailedToRetrieveManagedIdentityToken",
    ),
)
_OF_STORAGE = (
    *_rows(_STORAGE, _STORED, _E.THROTTLED, "ServerBusy"),
    *_rows(_STORAGE, _STORED, _E.NETWORK, "OperationTimedOut InternalError"),
    *_rows(
        _STORAGE,
        _STORED,
        _E.TOKEN,
        "AuthenticationFailed InvalidAuthenticationInfo NoAuthenticationInformation",
    ),
    *_rows(
        _STORAGE,
        _STORED,
        _E.PERMISSION,
        "AuthorizationFailure InsufficientAccountPermissions AccountIsDisabled",
    ),
    *_rows(_STORAGE, _STORED, _E.CONFLICT, "AccountBeingCreated ConditionNotMet ResourceAlreadyExists"),
    *_rows(
        _STORAGE,
        _STORED,
        _E.TEMPLATE,
        "InvalidInput InvalidHeaderValue InvalidQueryParameterValue InvalidResourceName OutOfRangeInput"
        " RequestBodyTooLarge",
    ),
    *_rows(_STORAGE, _BLOBS, _E.NOT_FOUND, "BlobNotFound ContainerNotFound"),
    *_rows(
        _STORAGE,
        _BLOBS,
        _E.CONFLICT,
        "BlobAlreadyExists ContainerAlreadyExists ContainerBeingDeleted LeaseAlreadyPresent",
    ),
    *_rows(_STORAGE, _TABLES, _E.NOT_FOUND, "EntityNotFound TableNotFound"),
    *_rows(
        _STORAGE,
        _TABLES,
        _E.CONFLICT,
        "EntityAlreadyExists TableAlreadyExists TableBeingDeleted UpdateConditionNotSatisfied",
    ),
    *_rows(
        _STORAGE,
        _TABLES,
        _E.TEMPLATE,
        "EntityTooLarge InvalidDuplicateRow PropertyNameInvalid PropertyNameTooLong PropertyValueTooLarge",
    ),
    *_rows(_STORAGE, _QUEUES, _E.NOT_FOUND, "MessageNotFound QueueNotFound"),
    *_rows(_STORAGE, _QUEUES, _E.CONFLICT, "QueueAlreadyExists QueueBeingDeleted"),
    *_rows(_STORAGE, _QUEUES, _E.PERMISSION, "QueueDisabled"),
    *_rows(_STORAGE, _QUEUES, _E.TEMPLATE, "MessageTooLarge"),
)
_OF_OTHERS = (
    *_rows(_KEYS, _VAULT, _E.PERMISSION, "AccessDenied ForbiddenByFirewall"),
    *_rows(_KEYS, f"{_DOCS}/key-vault/general/rest-error-codes.md", _E.PERMISSION, "Forbidden", vague=True),
    *_rows(_KEYS, _VAULT, _E.CONFLICT, "ConflictError VaultAlreadyExists"),
    *_rows(_KEYS, _VAULT, _E.TEMPLATE, "VaultNameNotValid RegionNotSupported SkuNotSupported"),
    *_rows(_KEYS, "sigstore/cosign#3094", _E.NOT_FOUND, "KeyNotFound"),
    *_rows(_KEYS, "Azure/azure-sdk-for-js#25489", _E.NOT_FOUND, "SecretNotFound"),
    *_rows(_KEYS, _UNCONFIRMED, _E.TEMPLATE, "BadParameter"),
    *_rows(_ENTRA, f"{_LEARN} entra/identity-platform/reference-error-codes", _E.TOKEN, "AADSTS*"),
)

ROWS: tuple[AzureCode, ...] = (
    *_OF_RESOURCE_MANAGER,
    *_OF_COMPUTE,
    *_OF_NETWORK,
    *_OF_MARKETPLACE,
    *_OF_GALLERY,
    *_OF_CONTAINERS,
    *_OF_STORAGE,
    *_OF_OTHERS,
)
