"""The app settings: read as a whole, refused with every error at once, equal to the sample."""

import json
from datetime import timedelta
from pathlib import Path

import pytest

from pipeline_core.adapters.azure.configuration import Configured
from pipeline_core.domain.captures import Capture
from pipeline_core.domain.names import GalleryName, TeamName
from pipeline_core.settings import Settings, SettingsError

CHECKOUT = Path(__file__).resolve().parents[2]
HOSTS_OWN = {"FUNCTIONS_WORKER_RUNTIME"}
SAMPLE: dict[str, str] = json.loads((CHECKOUT / "local.settings.sample.json").read_text("utf-8"))["Values"]
OTHER = "00000000-0000-0000-0000-00000000000f"


def read(**changed: str | None) -> Settings:
    merged = {**SAMPLE, **changed}
    return Settings.read({name: value for name, value in merged.items() if value is not None})


def problems(**changed: str | None) -> dict[str, str]:
    with pytest.raises(SettingsError) as refused:
        read(**changed)
    assert all(name in str(refused.value) for name in refused.value.problems)
    return refused.value.problems


def test_the_sample_has_exactly_the_settings() -> None:
    names = {field.alias for field in Settings.model_fields.values()}
    assert set(SAMPLE) - HOSTS_OWN == names


def test_the_sample_shows_every_default() -> None:
    """Left out and left as in the sample are the same: nobody is surprised by a default."""
    optional = [field.alias for field in Settings.model_fields.values() if not field.is_required()]
    kept = {
        "AzureWebJobsStorage__clientId",  # the sample names an identity, the default takes the host's own
        "FACTORY_SIGNING_KEY",  # one of two must be given
    }
    assert read(**{name: None for name in optional if name and name not in kept}) == read()


def test_the_sample_can_be_read() -> None:
    settings = read()
    deployment, limits = settings.deployment(), settings.limits()
    assert (deployment.quarantine, deployment.live) == (GalleryName("quarantine"), (GalleryName("live"),))
    assert deployment.secops == TeamName("secops")
    assert (limits.slots, limits.creates_per_hour, limits.team_slots) == (20, 300, 10)
    assert limits.wait == timedelta(seconds=30)
    configured: Configured = settings
    place = configured.azure()
    assert place.arm_endpoint == "https://management.azure.com"
    assert place.ca_file == ""
    assert set(place.galleries) == {"quarantine", "live"}


@pytest.mark.parametrize(
    ("wanted", "groups", "cores", "slots"),
    [("20", "100", "100", 20), ("80", "100", "400", 50), ("80", "400", "60", 30)],
)
def test_no_more_slots_than_the_quota_of_the_region_allows(
    wanted: str, groups: str, cores: str, slots: int
) -> None:
    settings = read(FACTORY_SLOTS=wanted, FACTORY_CONTAINER_GROUPS=groups, FACTORY_CONTAINER_CORES=cores)
    assert settings.limits().slots == slots


def test_everything_that_is_missing_is_reported_at_once() -> None:
    with pytest.raises(SettingsError) as refused:
        Settings.read({})
    required = {field.alias for field in Settings.model_fields.values() if field.is_required()}
    assert set(refused.value.problems) == required
    assert all("add it" in problem for problem in refused.value.problems.values())


def test_everything_that_is_wrong_is_reported_at_once() -> None:
    found = problems(
        FACTORY_LOCATION="West Europe",
        FACTORY_SLOTS="many",
        FACTORY_TENANT_ID=None,
        FACTORY_KEY_VAULT_URI="http://example.vault.azure.net",
    )
    assert set(found) == {
        "FACTORY_LOCATION",
        "FACTORY_SLOTS",
        "FACTORY_TENANT_ID",
        "FACTORY_KEY_VAULT_URI",
    }
    assert "westeurope" in found["FACTORY_LOCATION"]


WRONG = [
    ("AzureWebJobsStorage__blobServiceUri", "http://x.blob.core.windows.net"),
    ("AzureWebJobsStorage__queueServiceUri", "https://x/?sig=secret"),
    ("AzureWebJobsStorage__tableServiceUri", "https://user:pw@x"),
    ("AzureWebJobsStorage__credential", "sharedkey"),
    ("AzureWebJobsStorage__clientId", "me"),
    ("POLL_SCHEDULE", "*/5 * * * *"),
    ("SWEEP_SCHEDULE", "sometimes"),
    ("OBSERVE_SCHEDULE", "hourly"),
    ("ADMIT_SCHEDULE", "each minute"),
    ("PRUNE_SCHEDULE", "0 0 3 * * * *"),
    ("FACTORY_SUBSCRIPTION_ID", "my subscription"),
    ("FACTORY_TENANT_ID", "../x"),
    ("FACTORY_LOCATION", "Europe!"),
    ("FACTORY_BUILD_RESOURCE_GROUP", "rg/build"),
    ("FACTORY_GALLERY_RESOURCE_GROUP", "ends.with.a.dot."),
    ("FACTORY_QUARANTINE_GALLERY", "a-b"),
    ("FACTORY_QUARANTINE_GALLERY", " , "),
    ("FACTORY_QUARANTINE_GALLERY", "subscription/group/quarantine"),
    ("FACTORY_LIVE_GALLERIES", " , "),
    ("FACTORY_LIVE_GALLERIES", "live,LIVE"),
    ("FACTORY_LIVE_GALLERIES", "live,Quarantine"),
    ("FACTORY_LIVE_GALLERIES", "group/live"),
    ("FACTORY_LIVE_GALLERIES", "subscription/group/live"),
    ("FACTORY_LIVE_GALLERIES", f"{OTHER}/group/a-b"),
    ("FACTORY_BUILDER_IMAGE", "example.azurecr.io/builder:latest"),
    ("FACTORY_BUILDER_IMAGE", "example.azurecr.io/builder@sha256:123"),
    ("FACTORY_BUILDER_IDENTITY_ID", "builder"),
    ("FACTORY_BUILDER_CLIENT_ID", "builder"),
    ("FACTORY_CLIENT_ID", "123"),
    ("FACTORY_PUBLISHER_CLIENT_ID", "publisher"),
    ("FACTORY_CLEANER_CLIENT_ID", "cleaner"),
    ("FACTORY_BUILD_SUBNET_ID", "subnet"),
    ("FACTORY_VM_SUBNET_ID", "/subscriptions/x"),
    ("FACTORY_SLOTS", "0"),
    ("FACTORY_SLOTS", "2.5"),
    ("FACTORY_CREATES_PER_HOUR", "-1"),
    ("FACTORY_CREATES_PER_5_MINUTES", "0"),
    ("FACTORY_DELETES_PER_HOUR", "0"),
    ("FACTORY_DELETES_PER_5_MINUTES", "-1"),
    ("FACTORY_CONTAINER_GROUPS", "1"),
    ("FACTORY_CONTAINER_CORES", "1"),
    ("FACTORY_TEAM_SLOTS", "1001"),
    ("FACTORY_WAIT_SECONDS", "0"),
    ("FACTORY_WAIT_SECONDS", "nan"),
    ("FACTORY_WAIT_SECONDS", "601"),
    ("FACTORY_RETENTION_GRACE_HOURS", "0"),
    ("FACTORY_KEY_VAULT_URI", "example.vault.azure.net"),
    ("FACTORY_RECEIVERS_VAULT_URI", "http://example.vault.azure.net"),
    ("FACTORY_UNSIGNED_NOTIFICATIONS", "yes"),
    ("FACTORY_API_AUDIENCE", "x" * 257),
    ("FACTORY_SECOPS_TEAM", "Sec Ops"),
    ("FACTORY_TEAM_GROUPS", '{"payments": "payments"}'),
    ("FACTORY_TEAM_GROUP_KEYS", "names"),
    ("FACTORY_TOKEN_VERSIONS", "3.0"),
    ("FACTORY_AUTHORITY", "http://login.microsoftonline.com"),
    ("FACTORY_ARM_ENDPOINT", "management.azure.com"),
    ("FACTORY_CA_FILE", "/does/not/exist.pem"),
    ("FACTORY_SIGNING_KEY", "https://example.vault.azure.net/secrets/provenance"),
    ("FACTORY_SIGNING_KEY_FILE", "/does/not/exist.pem"),
    ("FACTORY_UNPROVEN", "delete"),
    ("FACTORY_TOOL_SCANNER", "nobody"),
    ("FACTORY_RESOURCE_TAGS", "cost-centre=4711"),
    ("FACTORY_TRUSTED_LAUNCH_CAPTURE", "snapshot"),
]


@pytest.mark.parametrize(("name", "value"), WRONG)
def test_a_wrong_value_is_refused_under_its_own_name(name: str, value: str) -> None:
    assert set(problems(**{name: value})) == {name}


def test_addresses_for_examples_are_refused_all_at_once() -> None:
    said = problems(
        AzureWebJobsStorage__blobServiceUri="https://account.blob.example.com",
        FACTORY_KEY_VAULT_URI="https://kv.invalid/",
        FACTORY_RECEIVERS_VAULT_URI="https://192.0.2.4",
        FACTORY_AUTHORITY="https://login.test",
    )
    assert set(said) == {
        "AzureWebJobsStorage__blobServiceUri",
        "FACTORY_KEY_VAULT_URI",
        "FACTORY_RECEIVERS_VAULT_URI",
        "FACTORY_AUTHORITY",
    }
    assert "kv.invalid is a placeholder" in said["FACTORY_KEY_VAULT_URI"]
    assert read(FACTORY_ARM_ENDPOINT="https://localhost:8443").arm_endpoint  # the emulator


def test_every_setting_has_a_wrong_value_in_the_table() -> None:
    assert {name for name, _ in WRONG} == set(SAMPLE) - HOSTS_OWN


def test_a_second_quarantine_gallery_may_lie_elsewhere() -> None:
    found = read(FACTORY_QUARANTINE_GALLERY=f"quarantine, {OTHER}/rg-more/quarantine2").deployment()
    assert [str(name) for name in found.quarantines] == ["quarantine", "quarantine2"]
    assert found.place(found.quarantines[1]) == (OTHER, "rg-more")
    assert found.quarantine_of(None) == found.quarantines[0]
    assert found.quarantine_of(found.quarantines[1]) == found.quarantines[1]


def test_galleries_may_lie_in_other_subscriptions() -> None:
    settings = read(FACTORY_LIVE_GALLERIES=f"live, {OTHER}/rg-two/second")
    assert settings.deployment().live == (GalleryName("live"), GalleryName("second"))
    second = settings.azure().place(GalleryName("Second"))
    assert (second.subscription_id, second.resource_group) == (OTHER, "rg-two")
    home = settings.azure().place(GalleryName("quarantine"))
    assert (home.subscription_id, home.resource_group) == (SAMPLE["FACTORY_SUBSCRIPTION_ID"], "rg-galleries")


def test_an_empty_required_setting_is_missing() -> None:
    assert set(problems(FACTORY_CLIENT_ID="", FACTORY_API_AUDIENCE="  ")) == {
        "FACTORY_CLIENT_ID",
        "FACTORY_API_AUDIENCE",
    }
    assert "is not set" in problems(FACTORY_CLIENT_ID="")["FACTORY_CLIENT_ID"]


def test_an_empty_optional_setting_is_left_to_its_default() -> None:
    optional = [field.alias for field in Settings.model_fields.values() if not field.is_required()]
    kept = {"AzureWebJobsStorage__clientId", "FACTORY_SIGNING_KEY"}
    emptied = {name: "" for name in optional if name and name not in kept}
    assert read(**emptied) == read()


def test_a_slash_at_the_end_of_an_address_means_nothing() -> None:
    changed = read(
        FACTORY_AUTHORITY="https://login.microsoftonline.com/",
        AzureWebJobsStorage__blobServiceUri=SAMPLE["AzureWebJobsStorage__blobServiceUri"] + "/",
    )
    assert changed == read()


def test_settings_of_others_are_no_concern() -> None:
    assert read(PATH="/bin", AzureWebJobsFeatureFlags="x") == read()


def test_an_authority_file_must_exist(tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    file.write_text("pem")
    assert read(FACTORY_CA_FILE=str(file)).azure().ca_file == str(file)


def test_a_very_long_value_is_not_repeated_in_full() -> None:
    assert len(problems(FACTORY_TENANT_ID="x" * 100_000)["FACTORY_TENANT_ID"]) < 500


def test_what_signs_is_a_key_in_the_vault_or_a_file_and_never_both(tmp_path: Path) -> None:
    file = tmp_path / "key.pem"
    file.write_text("read at the first use")
    key = SAMPLE["FACTORY_SIGNING_KEY"]
    assert read().azure().signing_key == key
    alone = read(FACTORY_SIGNING_KEY=None, FACTORY_SIGNING_KEY_FILE=str(file)).azure()
    assert (alone.signing_key, alone.signing_key_file) == ("", str(file))
    assert "one of the two" in problems(FACTORY_SIGNING_KEY_FILE=str(file))["FACTORY_SIGNING_KEY_FILE"]
    assert "is not set" in problems(FACTORY_SIGNING_KEY=None)["FACTORY_SIGNING_KEY"]
    for wrong in (f"{key}/latest", key.replace("https", "http"), "provenance"):
        assert "https://VAULT/keys/NAME" in problems(FACTORY_SIGNING_KEY=wrong)["FACTORY_SIGNING_KEY"]


def test_the_tags_of_resources_reach_the_services_and_the_adapters() -> None:
    settings = read(FACTORY_RESOURCE_TAGS='{"cost-centre": "4711", "owner": "a@example.com"}')
    wanted = {"cost-centre": "4711", "owner": "a@example.com"}
    assert settings.deployment().tags == settings.azure().tags == wanted
    assert read().azure().tags == {}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[]", "JSON object of texts"),
        ('{"a": 1}', "JSON object of texts"),
        ('{"azure-x": "1"}', "Azure's own tags"),
    ],
)
def test_tags_that_cannot_be_given_are_refused_with_the_reason(text: str, said: str) -> None:
    assert said in problems(FACTORY_RESOURCE_TAGS=text)["FACTORY_RESOURCE_TAGS"]


def test_what_is_not_proven_stays_in_latest_unless_a_setting_excludes_it() -> None:
    assert not read().deployment().excludes_unproven
    assert read(FACTORY_UNPROVEN="exclude").deployment().excludes_unproven


def test_files_of_tools_are_scanned_by_defender_unless_a_setting_says_otherwise() -> None:
    assert not read().azure().tools_scanned_elsewhere
    assert read(FACTORY_TOOL_SCANNER="elsewhere").azure().tools_scanned_elsewhere


def test_trusted_launch_is_captured_by_documented_ways_unless_a_setting_says_otherwise() -> None:
    assert read().deployment().capture is Capture.MANAGED_IMAGE
    assert read(FACTORY_TRUSTED_LAUNCH_CAPTURE="machine").deployment().capture is Capture.MACHINE
    assert set(problems(FACTORY_UNPROVEN="delete")) == {"FACTORY_UNPROVEN"}


def test_groups_are_mapped_to_teams_by_object_id() -> None:
    group = "A1B2C3D4-0000-4000-8000-00805F9B34FB"
    settings = read(FACTORY_TEAM_GROUPS=json.dumps({group: "payments"}))
    assert settings.azure().team_groups == {group.lower(): TeamName("payments")}
    assert read().azure().team_groups == {}


def test_a_group_has_a_name_only_where_the_deployment_says_so() -> None:
    groups = json.dumps({"Payments Team": "payments"})
    assert "not an object id" in problems(FACTORY_TEAM_GROUPS=groups)["FACTORY_TEAM_GROUPS"]
    settings = read(FACTORY_TEAM_GROUPS=groups, FACTORY_TEAM_GROUP_KEYS="name")
    assert settings.azure().team_groups == {"Payments Team": TeamName("payments")}


@pytest.mark.parametrize(
    "text",
    [
        "payments",
        "[]",
        '[["a1b2c3d4-0000-4000-8000-00805f9b34fb", "payments"]]',
        '{"a1b2c3d4-0000-4000-8000-00805f9b34fb": 7}',
        '{"a1b2c3d4-0000-4000-8000-00805f9b34fb": "Pay ments"}',
        '{"a1b2c3d4-0000-4000-8000-00805f9b34fb": "a", "A1B2C3D4-0000-4000-8000-00805F9B34FB": "b"}',
        '{"": "payments"}',
        '{" ": "payments"}',
    ],
)
def test_a_mapping_that_is_none_is_refused(text: str) -> None:
    assert "FACTORY_TEAM_GROUPS" in problems(FACTORY_TEAM_GROUPS=text, FACTORY_TEAM_GROUP_KEYS="name")
