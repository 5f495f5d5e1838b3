"""The environment of the container as one checked value. It names all errors at once. It reads nothing itself."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
)

from builder.credential import TOKEN_VARIABLE, Credential, ManagedIdentity, WorkloadIdentity
from pipeline_core.domain.blob_rights import BlobToken
from pipeline_core.domain.errors import FactoryError, MalformedMessage
from pipeline_core.domain.names import BuildId, Digest
from pipeline_core.wire import blob_token

_HTTPS = r"^https://[A-Za-z0-9.-]+(:[0-9]+)?(/[A-Za-z0-9-]+)?/?$"
# The address becomes a string of the template, so it has no characters that Packer could evaluate. Without TLS the
# token may go only to this machine.
_OIDC_URL = (
    r"^(https://[A-Za-z0-9.-]+|http://(127\.0\.0\.1|localhost))(:[0-9]+)?/[A-Za-z0-9._~/?&=%-]{0,1024}$"
)
_TENANT = r"^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$"


class BuilderSettingsError(FactoryError):
    """The environment is not the one that the factory gives to a builder. The text names every wrong variable."""


def _is_build(text: str) -> str:
    return str(BuildId(text))


def _is_digest(text: str) -> str:
    return str(Digest(text))


class BuilderSettings(BaseModel):
    """The container's attempt, identity and places of inputs. The two tokens are secret."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    build: Annotated[str, BeforeValidator(_is_build)] = Field(alias="IF_BUILD_ID")
    stage: Annotated[str, Field(pattern="^(build|verify)$")] = Field(alias="IF_STAGE")
    attempt: Annotated[int, Field(ge=1)] = Field(alias="IF_ATTEMPT")
    job: Annotated[str, BeforeValidator(_is_digest)] = Field(alias="IF_JOB")
    blob_endpoint: Annotated[str, Field(pattern=_HTTPS)] = Field(alias="IF_BLOB_ENDPOINT")
    queue_endpoint: Annotated[str, Field(pattern=_HTTPS)] = Field(alias="IF_QUEUE_ENDPOINT")
    client_id: Annotated[str, Field(pattern=r"^[0-9A-Za-z-]{1,64}$")] = Field(alias="IF_CLIENT_ID")
    traceparent: Annotated[str, Field(max_length=128)] = Field(default="", alias="TRACEPARENT")
    packer: Annotated[str, Field(min_length=1)] = Field(default="packer", alias="PACKER_PATH")
    credential_kind: Literal["managed-identity", "workload-identity"] = Field(
        default="managed-identity", alias="IF_CREDENTIAL"
    )
    # For a workload identity. Empty means not set.
    tenant_id: Annotated[str, Field(pattern=f"^$|{_TENANT}", validate_default=True)] = Field(
        default="", alias="IF_TENANT_ID"
    )
    oidc_request_url: Annotated[str, Field(pattern=f"^$|{_OIDC_URL}", validate_default=True)] = Field(
        default="", alias="IF_OIDC_REQUEST_URL"
    )
    oidc_request_token: Annotated[SecretStr, Field(validate_default=True)] = Field(
        default=SecretStr(""), alias=TOKEN_VARIABLE
    )

    # Empty in a container that an older release has started: there the identity has the rights on blobs.
    own_blobs: SecretStr = Field(default=SecretStr(""), alias=blob_token.VARIABLE)

    @field_validator("own_blobs")
    @classmethod
    def _is_a_token(cls, value: SecretStr) -> SecretStr:
        if value:
            try:
                blob_token.from_wire(value.get_secret_value())
            except MalformedMessage as error:
                raise ValueError(str(error)) from None
        return value

    @field_validator("tenant_id", "oidc_request_url", "oidc_request_token")
    @classmethod
    def _is_given_to_a_workload_identity(
        cls, value: str | SecretStr, around: ValidationInfo
    ) -> str | SecretStr:
        if around.data.get("credential_kind") == "workload-identity" and not value:
            raise ValueError("IF_CREDENTIAL=workload-identity needs this variable")
        return value

    @property
    def token(self) -> BlobToken | None:
        """The rights of this attempt on blobs. None: an older release has started this container."""
        text = self.own_blobs.get_secret_value()
        return blob_token.from_wire(text) if text else None

    @property
    def credential(self) -> Credential:
        """The identity with which the builder and its Packer call Azure."""
        if self.credential_kind == "managed-identity":
            return ManagedIdentity()
        return WorkloadIdentity(
            tenant_id=self.tenant_id,
            oidc_request_url=self.oidc_request_url,
            oidc_request_token=self.oidc_request_token.get_secret_value(),
        )

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> "BuilderSettings":
        """Raises BuilderSettingsError, which names every variable that is missing or wrong."""
        try:
            return cls.model_validate(dict(environ))
        except ValidationError as error:
            # For a variable that is not set, pydantic gives the field's name.
            aliases = {name: field.alias or name for name, field in cls.model_fields.items()}
            found = [(str(item["loc"][0]), item["msg"]) for item in error.errors(include_input=False)]
            lines = [f"{aliases.get(name, name)}: {text}" for name, text in found]
            text = "the builder cannot start; set these variables:\n  " + "\n  ".join(lines)
            raise BuilderSettingsError(text) from error
