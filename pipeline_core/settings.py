"""The app settings, read once from a mapping of texts and checked as a whole: every error at once.

It does not read the environment and holds no secret: the managed identity reaches every service.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from pipeline_core.adapters.azure.configuration import Configuration, GalleryPlace
from pipeline_core.deployment import Deployment
from pipeline_core.domain import access, captures, dispatch, placeholder_hosts, resource_tags
from pipeline_core.domain.creations import UNLIMITED
from pipeline_core.domain.errors import FactoryError, InvalidValue
from pipeline_core.domain.names import GalleryName, Region, TeamName
from pipeline_core.domain.retention import GRACE

_GUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", re.ASCII)
_HTTPS = re.compile(r"https://[A-Za-z0-9.-]+(:[0-9]{1,5})?(/[A-Za-z0-9._-]+)*/?", re.ASCII)
_IMAGE = re.compile(r"[a-z0-9][a-z0-9._:/-]*@sha256:[0-9a-f]{64}", re.ASCII)
_IDENTITY = re.compile(
    r"/subscriptions/[^/]+/resourceGroups/[^/]+/providers/Microsoft\.ManagedIdentity/userAssignedIdentities/[^/]+",
    re.ASCII | re.IGNORECASE,
)
_SUBNET = re.compile(
    r"/subscriptions/[^/]+/resourceGroups/[^/]+/providers/Microsoft\.Network/virtualNetworks/[^/]+/subnets/[^/]+",
    re.ASCII | re.IGNORECASE,
)
_GROUP = re.compile(r"[\w.()-]{1,90}(?<!\.)", re.ASCII)
_KEY = re.compile(r"https://[A-Za-z0-9.-]+(:[0-9]{1,5})?/keys/[0-9A-Za-z-]{1,127}(/[0-9a-f]{32})?", re.ASCII)
_STORAGE = "AzureWebJobsStorage__"
_GROUP_NAME_LIMIT = 256  # characters of a group's display name in Entra


class SettingsError(FactoryError):
    """Settings are missing or wrong. The text names each setting and its remedy."""

    def __init__(self, problems: Mapping[str, str]) -> None:
        lines = [f"{name}: {problem}" for name, problem in sorted(problems.items())]
        super().__init__("the app settings are not usable:\n" + "\n".join(f"  {line}" for line in lines))
        self.problems = dict(problems)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The limits of what builds use at once, and the time that a step waits before its next look.

    `retention_grace` is the time between the exclusion of a version that is not kept, and its deletion.
    """

    slots: int
    creates_per_hour: int
    team_slots: int
    wait: timedelta
    creates_per_burst: int = UNLIMITED
    deletes_per_hour: int = UNLIMITED
    deletes_per_burst: int = UNLIMITED
    retention_grace: timedelta = GRACE


def _matching(pattern: re.Pattern[str], rule: str, *, empty: bool = False) -> AfterValidator:
    def check(text: str) -> str:
        if (empty and not text) or pattern.fullmatch(text):
            return text
        raise ValueError(f"give {rule}")

    return AfterValidator(check)


def _no_placeholder(url: str) -> str:
    for host in placeholder_hosts.hosts_in(url):
        if placeholder_hosts.is_example(host):
            raise ValueError(f"{host} is a placeholder, reserved for examples: give the address of your own")
    return url


def _schedule(text: str) -> str:
    if len(text.split()) != 6:
        raise ValueError("give an NCRONTAB expression of six fields, like '0 */5 * * * *'")
    return text


def _existing_file(text: str) -> str:
    if text and not Path(text).is_file():
        raise ValueError("there is no such file: give the path of a PEM file, or leave it empty")
    return text


def _tags(text: object) -> object:
    """A JSON object of texts. Raises ValueError with the first tag that Azure or Packer would refuse."""
    if not isinstance(text, str):
        return text
    try:
        given = json.loads(text)
    except ValueError as error:
        raise ValueError(f'give a JSON object like {{"cost-centre": "4711"}}: {error}') from error
    if not isinstance(given, dict) or not all(isinstance(value, str) for value in given.values()):
        raise ValueError('give a JSON object of texts, like {"cost-centre": "4711"}')
    problem = resource_tags.problem_of(given)
    if problem:
        raise ValueError(problem)
    return given


def _team_groups(text: object) -> object:
    """A JSON object from groups to names of teams, each group given once. Raises ValueError."""
    if not isinstance(text, str):
        return text
    example = '{"a1b2c3d4-0000-4000-8000-00805f9b34fb": "payments"}'
    try:
        pairs = json.loads(text, object_pairs_hook=list)
    except ValueError as error:
        raise ValueError(f"give a JSON object like {example}: {error}") from error
    is_object = isinstance(pairs, list) and text.lstrip().startswith("{")
    if not is_object or not all(isinstance(team, str) for _, team in pairs):
        raise ValueError(f"give a JSON object of texts, like {example}")
    groups = [group.lower() if access.OBJECT_ID.fullmatch(group) else group for group, _ in pairs]
    twice = sorted({group for group in groups if groups.count(group) > 1})
    if twice:
        raise ValueError(f"{', '.join(twice)[:120]} is named twice: a group proves one team")
    if any(not group.strip() or len(group) > _GROUP_NAME_LIMIT for group in groups):
        raise ValueError(f"a group is empty or longer than {_GROUP_NAME_LIMIT} characters")
    return {group: TeamName(team) for group, (_, team) in zip(groups, pairs, strict=True)}


Guid = Annotated[str, _matching(_GUID, "an id of the form 00000000-0000-0000-0000-000000000000")]
MaybeGuid = Annotated[
    str, _matching(_GUID, "an id of the form 00000000-0000-0000-0000-000000000000, or nothing", empty=True)
]
Endpoint = Annotated[
    str,
    _matching(_HTTPS, "an https address without a query"),
    AfterValidator(_no_placeholder),
    AfterValidator(lambda url: url.rstrip("/")),
]
MaybeEndpoint = Annotated[
    str,
    _matching(_HTTPS, "an https address without a query, or nothing", empty=True),
    AfterValidator(_no_placeholder),
    AfterValidator(lambda url: url.rstrip("/")),
]
Group = Annotated[str, _matching(_GROUP, "the name of a resource group")]
Schedule = Annotated[str, AfterValidator(_schedule)]
MaybeSubnet = Annotated[str, _matching(_SUBNET, "the resource id of a subnet, or nothing", empty=True)]
TeamGroups = Annotated[Mapping[str, TeamName], BeforeValidator(_team_groups)]
ResourceTags = Annotated[Mapping[str, str], BeforeValidator(_tags)]
Location = Annotated[Region, BeforeValidator(Region)]
Team = Annotated[TeamName, BeforeValidator(TeamName)]


class Settings(BaseModel):
    """Every app setting of this factory under its own name. Azure keeps all of them as texts."""

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True, populate_by_name=False)

    blob_endpoint: Endpoint = Field(alias=f"{_STORAGE}blobServiceUri")
    queue_endpoint: Endpoint = Field(alias=f"{_STORAGE}queueServiceUri")
    table_endpoint: Endpoint = Field(alias=f"{_STORAGE}tableServiceUri")
    storage_credential: Literal["managedidentity"] = Field("managedidentity", alias=f"{_STORAGE}credential")
    storage_client_id: MaybeGuid = Field("", alias=f"{_STORAGE}clientId")
    poll_schedule: Schedule = Field(alias="POLL_SCHEDULE")
    sweep_schedule: Schedule = Field(alias="SWEEP_SCHEDULE")
    observe_schedule: Schedule = Field("0 */5 * * * *", alias="OBSERVE_SCHEDULE")
    admit_schedule: Schedule = Field("0 * * * * *", alias="ADMIT_SCHEDULE")
    prune_schedule: Schedule = Field(alias="PRUNE_SCHEDULE")
    subscription_id: Guid = Field(alias="FACTORY_SUBSCRIPTION_ID")
    tenant_id: Guid = Field(alias="FACTORY_TENANT_ID")
    location: Location = Field(alias="FACTORY_LOCATION")
    build_resource_group: Group = Field(alias="FACTORY_BUILD_RESOURCE_GROUP")
    gallery_resource_group: Group = Field(alias="FACTORY_GALLERY_RESOURCE_GROUP")
    quarantine_galleries: str = Field(alias="FACTORY_QUARANTINE_GALLERY")
    live_galleries: str = Field(alias="FACTORY_LIVE_GALLERIES")
    builder_image: Annotated[str, _matching(_IMAGE, "an image by digest: server/name@sha256:...")] = Field(
        alias="FACTORY_BUILDER_IMAGE"
    )
    builder_identity_id: Annotated[
        str, _matching(_IDENTITY, "the resource id of a user-assigned identity")
    ] = Field(alias="FACTORY_BUILDER_IDENTITY_ID")
    builder_client_id: Guid = Field(alias="FACTORY_BUILDER_CLIENT_ID")
    client_id: Guid = Field(alias="FACTORY_CLIENT_ID")
    publisher_client_id: Guid = Field(alias="FACTORY_PUBLISHER_CLIENT_ID")
    cleaner_client_id: Guid = Field(alias="FACTORY_CLEANER_CLIENT_ID")
    build_subnet_id: MaybeSubnet = Field("", alias="FACTORY_BUILD_SUBNET_ID")
    vm_subnet_id: MaybeSubnet = Field("", alias="FACTORY_VM_SUBNET_ID")
    slots: int = Field(20, alias="FACTORY_SLOTS", ge=1, le=1000)
    creates_per_hour: int = Field(300, alias="FACTORY_CREATES_PER_HOUR", ge=1, le=10_000)
    creates_per_burst: int = Field(100, alias="FACTORY_CREATES_PER_5_MINUTES", ge=1, le=10_000)
    deletes_per_hour: int = Field(300, alias="FACTORY_DELETES_PER_HOUR", ge=1, le=10_000)
    deletes_per_burst: int = Field(100, alias="FACTORY_DELETES_PER_5_MINUTES", ge=1, le=10_000)
    container_groups: int = Field(100, alias="FACTORY_CONTAINER_GROUPS", ge=2, le=10_000)
    container_cores: int = Field(100, alias="FACTORY_CONTAINER_CORES", ge=2, le=100_000)
    team_slots: int = Field(10, alias="FACTORY_TEAM_SLOTS", ge=1, le=1000)
    wait_seconds: float = Field(30, alias="FACTORY_WAIT_SECONDS", ge=0.1, le=600, allow_inf_nan=False)
    retention_grace_hours: int = Field(168, alias="FACTORY_RETENTION_GRACE_HOURS", ge=1, le=8760)
    key_vault_uri: Endpoint = Field(alias="FACTORY_KEY_VAULT_URI")
    receivers_vault_uri: MaybeEndpoint = Field("", alias="FACTORY_RECEIVERS_VAULT_URI")
    unsigned: Literal["refuse", "allow"] = Field("refuse", alias="FACTORY_UNSIGNED_NOTIFICATIONS")
    signing_key: Annotated[
        str, _matching(_KEY, "the identifier of a key: https://VAULT/keys/NAME", empty=True)
    ] = Field("", alias="FACTORY_SIGNING_KEY")
    signing_key_file: Annotated[str, AfterValidator(_existing_file)] = Field(
        "", alias="FACTORY_SIGNING_KEY_FILE"
    )
    unproven: Literal["alert", "exclude"] = Field("alert", alias="FACTORY_UNPROVEN")
    resource_tags: ResourceTags = Field(default_factory=dict, alias="FACTORY_RESOURCE_TAGS")
    trusted_launch_capture: Literal["managed-image", "machine"] = Field(
        "managed-image", alias=captures.SETTING
    )
    audience: str = Field(alias="FACTORY_API_AUDIENCE", min_length=1, max_length=256)
    token_versions: Literal["1.0", "2.0", "both"] = Field("both", alias="FACTORY_TOKEN_VERSIONS")
    team_groups: TeamGroups = Field(default_factory=dict, alias="FACTORY_TEAM_GROUPS")
    team_group_keys: Literal["id", "name"] = Field("id", alias="FACTORY_TEAM_GROUP_KEYS")
    secops_team: Team = Field(TeamName("secops"), alias="FACTORY_SECOPS_TEAM")
    authority: Endpoint = Field("https://login.microsoftonline.com", alias="FACTORY_AUTHORITY")
    arm_endpoint: Endpoint = Field("https://management.azure.com", alias="FACTORY_ARM_ENDPOINT")
    tool_scanner: Literal["defender", "elsewhere"] = Field("defender", alias="FACTORY_TOOL_SCANNER")
    ca_file: Annotated[str, AfterValidator(_existing_file)] = Field("", alias="FACTORY_CA_FILE")

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> Self:
        """Read the settings of an environment. Raises SettingsError with every problem in it."""
        names = [field.alias or name for name, field in cls.model_fields.items()]
        given = {name: environment[name].strip() for name in names if name in environment}
        # An empty setting has its default: Azure's portal cannot show the difference.
        wanted = {name: text for name, text in given.items() if text}
        try:
            return cls.model_validate(wanted)
        except ValidationError as error:
            raise SettingsError(_problems(error, given)) from error

    @model_validator(mode="after")
    def _demand_galleries(self) -> Self:
        self.gallery_places()
        return self

    @model_validator(mode="after")
    def _demand_group_ids(self) -> Self:
        names = [group for group in self.team_groups if not access.OBJECT_ID.fullmatch(group)]
        if names and self.team_group_keys == "id":
            raise ValueError(
                f"FACTORY_TEAM_GROUPS: {names[0]!r} is not an object id, and names of groups are not unique: give the "
                "group's object id; or set FACTORY_TEAM_GROUP_KEYS to 'name' where Entra sends only groups that are "
                "assigned to the application, by name"
            )
        return self

    @model_validator(mode="after")
    def _demand_key(self) -> Self:
        if self.signing_key and self.signing_key_file:
            raise ValueError("FACTORY_SIGNING_KEY_FILE: FACTORY_SIGNING_KEY is set too: give one of the two")
        if not (self.signing_key or self.signing_key_file):
            raise ValueError(
                "FACTORY_SIGNING_KEY: is not set: give the identifier of a key in Key Vault, which signs the "
                "provenance of published versions"
            )
        return self

    def gallery_places(self) -> tuple[tuple[GalleryPlace, ...], tuple[GalleryPlace, ...]]:
        """The live galleries, and the quarantine galleries, in order. Raises ValueError."""
        live = self._places("FACTORY_LIVE_GALLERIES", self.live_galleries)
        quarantine = self._places("FACTORY_QUARANTINE_GALLERY", self.quarantine_galleries)
        names = [str(place.name).lower() for place in (*live, *quarantine)]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(
                f"FACTORY_LIVE_GALLERIES: {', '.join(twice)} is named twice: each gallery needs its own "
                "name, and a quarantine gallery is never live"
            )
        return live, quarantine

    def deployment(self) -> Deployment:
        """The coordinates that the services need."""
        live, quarantine = self.gallery_places()
        return Deployment(
            subscription_id=self.subscription_id,
            location=self.location,
            build_resource_group=self.build_resource_group,
            gallery_resource_group=self.gallery_resource_group,
            quarantine=quarantine[0].name,
            more_quarantines=tuple(place.name for place in quarantine[1:]),
            live=tuple(place.name for place in live),
            builder_client_id=self.builder_client_id,
            builder_image=self.builder_image,
            vm_subnet_id=self.vm_subnet_id,
            blob_endpoint=self.blob_endpoint,
            queue_endpoint=self.queue_endpoint,
            secops=self.secops_team,
            excludes_unproven=self.unproven == "exclude",
            allows_unsigned=self.unsigned == "allow",
            tags=self.resource_tags,
            capture=captures.Capture(self.trusted_launch_capture),
            elsewhere={
                place.name: (place.subscription_id, place.resource_group) for place in (*live, *quarantine)
            },
        )

    def limits(self) -> Limits:
        """The limits of what builds use at once. There are no more slots than the quota of groups and cores allows."""
        return Limits(
            slots=dispatch.slots_within(self.slots, groups=self.container_groups, cores=self.container_cores),
            creates_per_hour=self.creates_per_hour,
            team_slots=self.team_slots,
            wait=timedelta(seconds=self.wait_seconds),
            creates_per_burst=self.creates_per_burst,
            deletes_per_hour=self.deletes_per_hour,
            deletes_per_burst=self.deletes_per_burst,
            retention_grace=timedelta(hours=self.retention_grace_hours),
        )

    def azure(self) -> Configuration:
        """The coordinates that the adapters need."""
        live, quarantine = self.gallery_places()
        return Configuration(
            subscription_id=self.subscription_id,
            tenant_id=self.tenant_id,
            location=self.location,
            client_id=self.client_id,
            publisher_client_id=self.publisher_client_id,
            cleaner_client_id=self.cleaner_client_id,
            blob_endpoint=self.blob_endpoint,
            queue_endpoint=self.queue_endpoint,
            table_endpoint=self.table_endpoint,
            receivers_vault_uri=self.receivers_vault_uri or self.key_vault_uri,
            arm_endpoint=self.arm_endpoint,
            authority=self.authority,
            audience=self.audience,
            build_resource_group=self.build_resource_group,
            builder_image=self.builder_image,
            builder_identity_id=self.builder_identity_id,
            build_subnet_id=self.build_subnet_id,
            galleries={str(place.name).lower(): place for place in (*live, *quarantine)},
            ca_file=self.ca_file,
            signing_key=self.signing_key,
            signing_key_file=self.signing_key_file,
            tags=self.resource_tags,
            team_groups=self.team_groups,
            token_versions=self.token_versions,
            tools_scanned_elsewhere=self.tool_scanner == "elsewhere",
        )

    def _places(self, setting: str, text: str) -> tuple[GalleryPlace, ...]:
        entries = [entry.strip() for entry in text.split(",") if entry.strip()]
        if not entries:
            raise ValueError(f"{setting}: give at least one gallery")
        return tuple(self._place(setting, entry) for entry in entries)

    def _place(self, setting: str, entry: str) -> GalleryPlace:
        parts = entry.split("/")
        if len(parts) not in (1, 3):
            raise ValueError(f"{setting}: {entry!r}: give NAME or SUBSCRIPTION/RESOURCE_GROUP/NAME")
        if len(parts) == 3 and not (_GUID.fullmatch(parts[0]) and _GROUP.fullmatch(parts[1])):
            raise ValueError(f"{setting}: {entry!r} has no subscription id or resource group")
        try:
            name = GalleryName(parts[-1])
        except InvalidValue as error:
            raise ValueError(f"{setting}: {error}") from error
        home = (self.subscription_id, self.gallery_resource_group)
        subscription, group = (parts[0], parts[1]) if len(parts) == 3 else home
        return GalleryPlace(subscription_id=subscription, resource_group=group, name=name)


def _problems(error: ValidationError, given: Mapping[str, str]) -> dict[str, str]:
    problems: dict[str, str] = {}
    for each in error.errors():
        message = each["msg"].removeprefix("Value error, ")
        name = str(each["loc"][0]) if each["loc"] else ""
        if not name:
            name, _, message = message.partition(": ")
        elif each["type"] == "missing":
            message = "is not set: add it to the app settings"
        else:
            message = f"{given.get(name, '')[:120]!r}: {message}"
        problems[name] = message
    return problems
