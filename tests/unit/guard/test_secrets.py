"""Secret-looking values are found, harmless lines are not, and a finding never repeats the secret."""

import subprocess
import sys
import time

import pytest

from pipeline_core.guard import bundles
from pipeline_core.guard.inflate import CHUNK
from pipeline_core.guard.secrets import is_secret_name, kinds_in
from pipeline_core.wire.image_yaml import read as image_yaml
from tests.unit.guard.archives import FORMS, files
from tests.unit.wire.documents import BUNDLE, HERE, changed

# Put together here, so that no scanner of a repository takes this file for a leak.
A = "Ab3" * 40
SECRETS = {
    "a private key": "-----BEGIN RSA " + "PRIVATE KEY-----\n" + A[:64],
    "a private key in JSON": '"-----BEGIN ' + "PRIVATE KEY-----\\n" + A[:64],
    "an encrypted private key": "-----BEGIN RSA " + "PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED",
    "a PGP key": "-----BEGIN PGP " + "PRIVATE KEY BLOCK-----\n\n" + A[:64],
    "an AWS access key": "AKI" + "AQ7WJ2KX5M3PZ9RTL",
    "an AWS secret key": "aws_secret_access_key = " + A[:40],
    "an Azure storage key": "AccountKey=" + A[:86] + "==;EndpointSuffix=core.windows.net",
    "a Service Bus key": "SharedAccessKey=" + A[:43] + "=",
    "a shared access signature": "https://x.blob.core.windows.net/c?sv=2022-11-02&sig=" + A[:43] + "%3D",
    "an Entra client secret": "xyz8" + "Q~" + A[:34],
    "a GitHub token": "ghp" + "_" + A[:36],
    "a fine-grained GitHub token": "github" + "_pat_" + A[:22] + "_" + A[:59],
    "a GitLab token": "glpat" + "-" + A[:20],
    "a Slack token": "xox" + "b-123456789012-" + A[:24],
    "a Vault token": "hvs" + "." + A[:30],
    "a Google key": "AIza" + A[:35],
    "an npm token": "npm" + "_" + A[:36],
    "a PyPI token": "pypi-" + "AgEIcHlwaS5vcmc" + A[:80],
    "a JWT": "eyJ" + A[:20] + "." + "eyJ" + A[:30] + "." + A[:43],
    "a password in an address": "https://deploy:" + "hunter2" + "@git.factory.corp/x",
    "a password with signs": "https://deploy:" + "hun$ter!2" + "@git.factory.corp/x",
    "an encrypted PKCS 8 key": "-----BEGIN ENCRYPTED " + "PRIVATE KEY-----\n" + A[:64],
    "a PuTTY key": "PuTTY-User-Key-" + "File-2: ssh-rsa",
    "a Slack webhook": "https://hooks.slack.com/" + "services/T0AAAAAAA/B0AAAAAAA/" + A[:24],
    "a SendGrid key": "SG" + "." + A[:22] + "." + A[:43],
    "a Stripe key": "sk" + "_live_" + A[:24],
    "a Square secret": "sq0" + "csp-" + A[:43],
    "a quoted AWS secret": 'aws_secret_key = "' + A[:40] + '"',
}
# Texts that would take a search with unbounded repetitions minutes.
HOSTILE = [
    "eyJ",
    "eyJa.",
    "//",
    "://a:",
    "aws ",
    "aws_key ",
    "xoxb-1-",
    "sk-",
    "glagent-",
    "AccountKey=",
    "-----BEGIN ",
]
HOSTILE += ["hvs.", "?sig=", "Q~", "a", "=", "1", "://a:b$@", "npm_", "BEGIN RSA PRIVATE KEY-----", "AKIA"]
HARMLESS = [
    "https://user:pass@sub.example.com stands in a manual",
    "int nghttp2_ghs_" + "a" * 40 + "(void)",
    "eG94AKIA" + "A1" * 8 + "eG94",  # in the middle of base64
    "grep -rE -- '-----BEGIN ([A-Z]+ )?PRIVATE KEY-----' /etc",
    "-----BEGIN PUBLIC KEY-----\nMFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBAK",
    "-----BEGIN CERTIFICATE-----\nMIIBszCCARygAwIBAgIUQ0FGRQ",
    "AKIAIOSFODNN7EXAMPLE is the example of the manual",
    "find / -name 'id_rsa' -o -name '*.pem'",
    'curl "https://${USER}:${PASSWORD}@example.com"',
    "https://user:<password>@example.com",
    'DB_PASSWORD="$(cat /run/secrets/db)"',
    "sha256: 87dd36cfa1b8b50554e6e2ca29168272e26755b19ba5438341f7c66b36decc19",
    "export JAVA_HOME=/usr/lib/jvm/java-21-openjdk",
    "https://example.com:8443/path@x",
]


@pytest.mark.parametrize("text", SECRETS.values(), ids=SECRETS.keys())
def test_a_secret_is_found_in_a_file_with_its_line_and_is_not_repeated(text: str) -> None:
    (finding,) = bundles.check_bundle(files(good=b"x", conf=f"one\ntwo\nkey: {text}\n".encode()), FORMS)
    assert (finding.rule, finding.place) == ("secret", "conf:3")
    assert text not in str(finding)
    assert A[:20] not in str(finding)


@pytest.mark.parametrize("unit", HOSTILE)
def test_no_text_takes_long_however_it_is_made(unit: str) -> None:
    content = files(a=(unit * CHUNK)[: 4 * CHUNK].encode())
    started = time.process_time()
    bundles.check_bundle(content, FORMS)
    assert time.process_time() - started < 2.0  # of 256 KiB; a square of it takes minutes


@pytest.mark.parametrize("text", HARMLESS)
def test_a_harmless_line_is_left_alone(text: str) -> None:
    assert kinds_in(text, FORMS) == frozenset()


@pytest.mark.parametrize("offset", [0, 65_500, 65_536, 200_000])
def test_a_secret_is_found_wherever_it_lies_also_across_chunks(offset: int) -> None:
    lines = offset // 100
    text = ("x" * 99 + "\n") * lines + SECRETS["a private key"]
    (finding,) = bundles.check_bundle(files(key=text.encode()), FORMS)
    assert finding.place == f"key:{lines + 1}"


def test_a_secret_in_a_definition_is_found_in_its_place() -> None:
    env = {
        "GREETING": "hello",
        "REGISTRY": SECRETS["a password in an address"],
        "DB_PASSWORD": "x",
        "TOKEN": "",
    }
    document = changed("spec.build.provisioners", [{"shell": "a.sh", "env": env}])
    document["metadata"]["description"] = SECRETS["a GitHub token"]
    definition = image_yaml.parse_definition(document, bundle=BUNDLE, location=HERE)
    found = {
        (finding.rule, finding.place) for finding in bundles.check_definition(definition, {"a.sh"}, FORMS)
    }
    assert found == {
        ("secret", "metadata.description"),
        ("secret", "spec.build.provisioners[0].env.REGISTRY"),
        ("secret-name", "spec.build.provisioners[0].env.DB_PASSWORD"),
    }


@pytest.mark.parametrize(
    ("name", "is_one"),
    [
        ("PASSWORD", True),
        ("db_password", True),
        ("API_KEY", True),
        ("APIKEY", True),
        ("AWS_SECRET_ACCESS_KEY", True),
        ("TOKEN_URL", False),
        ("KEYBOARD", False),
        ("SECRETARY", False),
        ("JAVA_VERSION", False),
    ],
)
def test_a_variable_is_known_by_its_name(name: str, is_one: bool) -> None:
    assert is_secret_name(name) is is_one


@pytest.mark.process
def test_the_app_loads_the_library_of_detectors_at_its_first_event_and_not_before() -> None:
    code = "import sys, function_app; print('detect_secrets' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "False"


def test_every_detector_of_the_library_that_is_used_has_a_secret_in_this_file() -> None:
    found = {what for text in SECRETS.values() for what in kinds_in(text, FORMS)}
    assert {form.what for form in FORMS} - found == set()
