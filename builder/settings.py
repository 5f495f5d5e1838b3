"""The environment of the container as one checked value; every error at once. Reads nothing by itself."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from pipeline_core.domain.errors import FactoryError
from pipeline_core.domain.names import BuildId, Digest

_HTTPS = r"^https://[A-Za-z0-9.-]+(:[0-9]+)?(/[A-Za-z0-9-]+)?/?$"


class SettingsError(FactoryError):
    """The environment is not what the factory gives to a builder; the text names every variable."""


def _is_build(text: str) -> str:
    return str(BuildId(text))


def _is_digest(text: str) -> str:
    return str(Digest(text))


class Settings(BaseModel):
    """Who this container is, and where its inputs are. Nothing here is secret."""

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

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> "Settings":
        """Raise SettingsError, naming every variable that is missing or wrong."""
        try:
            return cls.model_validate(dict(environ))
        except ValidationError as error:
            lines = [f"{item['loc'][0]}: {item['msg']}" for item in error.errors(include_input=False)]
            text = "the builder cannot start; set these variables:\n  " + "\n  ".join(lines)
            raise SettingsError(text) from error
