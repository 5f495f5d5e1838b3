"""One guard at every door: `imagefactory validate`, registration, `PUT /platform` and the builder say the same."""

import copy
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from builder import inputs
from imagefactory.main import app
from pipeline_core.domain.errors import PermanentError
from pipeline_core.domain.names import Digest, ImageName
from pipeline_core.wire.job import StagedTool, Step
from pipeline_core.wire.problems import InvalidDocument
from simulation.world import ADMIN, UPLOADER
from tests.unit.builder import samples
from tests.unit.builder.fakes import FolderBlobs
from tests.unit.guard.archives import bundle_of, files, member
from tests.unit.services import scenes

Found = set[tuple[str, str]]  # rule and place
TOKEN = "ghp" + "_" + "a1B2" * 9
ENTRY = {
    "id": "goss",
    "version": "0.4.9",
    "url": "https://tools.factory.corp/goss/0.4.9/goss",
    "sha256": "87dd36cfa1b8b50554e6e2ca29168272e26755b19ba5438341f7c66b36decc19",
}
CATALOG: dict[str, Any] = {"hosts": ["tools.factory.corp"], "entries": [ENTRY]}
DOCUMENT: dict[str, Any] = {
    "apiVersion": "imagefactory/v1",
    "kind": "ImageDefinition",
    "metadata": {"name": "small", "team": "secops", "owners": ["secops@example.com"]},
    "spec": {
        "parent": {"image": "rhel9-base"},
        "build": {
            "provisioners": [
                {"shell": "a.sh", "env": {"A": "1"}},
                {"file": "a.conf", "destination": "/etc/a.conf"},
            ]
        },
        "notify": [{"webhook": "https://hooks.factory.corp/a", "events": ["build.failed"]}],
    },
}
CONTENT = {"a.sh": b"#!/bin/bash\n", "a.conf": b"x\n"}


def validate(folder: Path) -> Found:
    """What the command says of a folder."""
    done = CliRunner().invoke(app, ["validate", str(folder), "--output", "json"])
    answer = json.loads(done.stdout)
    assert done.exit_code == (0 if answer["valid"] else 1)
    return {(each["rule"], each["path"]) for each in answer["problems"] if each["rule"]}


def refusal(call: Callable[[], object]) -> Found:
    """What a service says when it refuses."""
    try:
        call()
    except InvalidDocument as error:
        return {(problem.rule, problem.path) for problem in error.problems if problem.rule}
    return set()


def in_builder(job: Any, bundle: bytes, platform: bytes) -> Found:
    return {(finding.rule.value, finding.place) for _, finding in inputs.findings_of(job, bundle, platform)}


def write(folder: Path, contents: dict[str, bytes]) -> None:
    for name, content in contents.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def set_at(document: dict[str, Any], way: tuple[str | int, ...], value: object) -> dict[str, Any]:
    made: Any = copy.deepcopy(document)
    here = made
    for key in way[:-1]:
        here = here[key]
    here[way[-1]] = value
    return dict(made)


FILES: dict[str, tuple[dict[str, bytes], Found]] = {
    "nothing wrong": ({}, set()),
    "a token": ({"a.sh": f"x\nT={TOKEN}\n".encode()}, {("secret", "a.sh:2")}),
    "two kinds in two files": (
        {"b.sh": TOKEN.encode(), "c/d": b"-----BEGIN RSA " + b"PRIVATE KEY-----\n" + b"Ab3d" * 16},
        {("secret", "b.sh:1"), ("secret", "c/d:1")},
    ),
    "a token in an archive inside, which is data": ({"inner.tar.gz": files(x=TOKEN.encode())}, set()),
}


@pytest.mark.parametrize(("changes", "expected"), FILES.values(), ids=FILES.keys())
def test_a_bundle_is_judged_alike_at_every_door(
    changes: dict[str, bytes], expected: Found, tmp_path: Path
) -> None:
    contents = {**CONTENT, **changes}
    write(tmp_path, {**contents, "image.yaml": yaml.safe_dump(DOCUMENT).encode()})
    content = bundle_of(*((member(name), text) for name, text in sorted(contents.items())))
    made = scenes.registered({})
    digest = Digest(scenes.sha256(content))
    assert validate(tmp_path) == expected
    assert refusal(lambda: made.factory.registrar.store_bundle(digest, content, UPLOADER)) == expected
    assert (made.ports.blobs.find_facts("bundles", f"{digest}.tar.gz") is None) is bool(expected)
    assert in_builder(samples.root_job(), content, samples.PLATFORM_CONTENT) == expected
    # The platform's own bundle is judged like everybody's.
    assert in_builder(samples.root_job(), samples.BUNDLE_CONTENT, content) == expected


@pytest.mark.parametrize("kind", ["link", "pipe"])
def test_what_is_not_a_plain_file_has_one_name_at_every_door(kind: str, tmp_path: Path) -> None:
    write(tmp_path, {**CONTENT, "image.yaml": yaml.safe_dump(DOCUMENT).encode()})
    if kind == "link":
        (tmp_path / "odd").symlink_to("/etc/passwd")
        odd = member("odd", kind=b"2", link="/etc/passwd")
    else:
        os.mkfifo(tmp_path / "odd")
        odd = member("odd", kind=b"6")
    content = bundle_of((odd, b""), (member("a.sh"), b"x"))
    digest = Digest(scenes.sha256(content))
    expected = {("bundle-link" if kind == "link" else "bundle-device", "odd")}
    assert validate(tmp_path) == expected
    assert (
        refusal(lambda: scenes.registered({}).factory.registrar.store_bundle(digest, content, UPLOADER))
        == expected
    )
    assert in_builder(samples.root_job(), content, samples.PLATFORM_CONTENT) == expected


ENV = ("spec", "build", "provisioners", 0, "env")
DESTINATION = ("spec", "build", "provisioners", 1, "destination")
WEBHOOK = ("spec", "notify", 0, "webhook")
PLACE = "spec.build.provisioners[0].env"
TO = "spec.build.provisioners[1].destination"
DEFINITIONS: dict[str, tuple[tuple[str | int, ...], object, Found]] = {
    "token in a value": (ENV, {"A": TOKEN}, {("secret", f"{PLACE}.A")}),
    "password by name": (ENV, {"DB_PASSWORD": "x"}, {("secret-name", f"{PLACE}.DB_PASSWORD")}),
    "latest": (ENV, {"JAVA": "latest"}, {("floating-version", f"{PLACE}.JAVA")}),
    "wildcard": (ENV, {"JAVA_VERSION": "21.*"}, {("floating-version", f"{PLACE}.JAVA_VERSION")}),
    "any minor": (ENV, {"JAVA_VERSION": "21.x"}, {("floating-version", f"{PLACE}.JAVA_VERSION")}),
    "range": (ENV, {"JAVA_VERSION": ">=21"}, {("floating-version", f"{PLACE}.JAVA_VERSION")}),
    "tag of a container": (ENV, {"IMAGE": "a/b:latest"}, {("floating-version", f"{PLACE}.IMAGE")}),
    "latest in an address": (
        ENV,
        {"URL": "https://a.factory.corp/latest/x"},
        {("floating-version", f"{PLACE}.URL")},
    ),
    "http": (ENV, {"REPO": "http://repo.factory.corp/x"}, {("http-url", f"{PLACE}.REPO")}),
    "an exact version and https": (
        ENV,
        {"JAVA_VERSION": "21.0.4+7", "URL": "https://a.factory.corp/1"},
        set(),
    ),
    "a proxy": (ENV, {"HTTP_PROXY": "http://proxy.factory.corp:3128"}, set()),
    "this machine": (ENV, {"CHECK": "http://127.0.0.1:8080/health"}, set()),
    "not kept": (DESTINATION, "/run/a.conf", {("destination", TO)}),
    "staged tools": (DESTINATION, "/opt/stage/Tools/goss/0.4.9/goss", {("destination", TO)}),
    "the folder itself": (DESTINATION, "/var/lib/waagent", {("destination", TO)}),
    "accounts": (DESTINATION, "/etc/shadow", {("destination", TO)}),
    "host key": (DESTINATION, "/etc/ssh/ssh_host_rsa_key", {("destination", TO)}),
    "authorised key": (DESTINATION, "/root/.ssh/authorized_keys", {("destination", TO)}),
    "metadata endpoint": (
        WEBHOOK,
        "https://169.254.169.254/x",
        {("webhook-address", "spec.notify[0].webhook")},
    ),
    "number of a machine": (WEBHOOK, "https://2130706433/x", {("webhook-address", "spec.notify[0].webhook")}),
    "this machine's hook": (WEBHOOK, "https://localhost/x", {("webhook-address", "spec.notify[0].webhook")}),
    "key in a hook": (
        WEBHOOK,
        "https://a.factory.corp/?sig=" + "Ab3d" * 11 + "%3D",
        {("secret", "spec.notify[0].webhook")},
    ),
    "a placeholder in an address": (
        ENV,
        {"A": "x", "REPO": "https://mirror.example.com/rhel9"},
        {("placeholder", f"{PLACE}.REPO")},
    ),
    "a placeholder in a hook": (
        WEBHOOK,
        "https://hooks.example.com/a",
        {("placeholder", "spec.notify[0].webhook")},
    ),
    "an address of documents": (
        WEBHOOK,
        "https://192.0.2.7/a",
        {("placeholder", "spec.notify[0].webhook"), ("webhook-address", "spec.notify[0].webhook")},
    ),
    "a word that is no host": (ENV, {"DOMAIN": "example.com", "MODE": "test"}, set()),
    "file that is not there": (
        ("spec", "build", "provisioners", 0, "shell"),
        "b.sh",
        {("path-in-bundle", "spec.build.provisioners[0].shell")},
    ),
}


@pytest.mark.parametrize(("way", "value", "expected"), DEFINITIONS.values(), ids=DEFINITIONS.keys())
def test_a_definition_is_judged_alike_at_every_door(
    way: tuple[str | int, ...], value: object, expected: Found, tmp_path: Path
) -> None:
    document = set_at(DOCUMENT, way, value)
    write(tmp_path, {**CONTENT, "image.yaml": yaml.safe_dump(document).encode()})
    content = bundle_of(*((member(name), text) for name, text in sorted(CONTENT.items())))
    made = scenes.registered({"rhel9-base": None})
    digest = Digest(scenes.sha256(content))
    made.factory.registrar.store_bundle(digest, content, UPLOADER)

    def register() -> object:
        return made.factory.registrar.register(
            ImageName("small"), document, digest, ADMIN, expected=None, create_only=True
        )

    assert validate(tmp_path) == expected
    assert refusal(register) == expected
    # The builder has the steps alone; of a missing file it speaks where it plans them.
    steps = document["spec"]["build"]["provisioners"]
    job = samples.root_job(
        steps=(
            Step(kind="shell", path=steps[0]["shell"], env=steps[0]["env"]),
            Step(kind="file", path=steps[1]["file"], destination=steps[1]["destination"]),
        )
    )
    # A placeholder refuses only what is new: what was registered before the rule goes on.
    elsewhere = ("path-in-bundle", "placeholder")
    of_steps = {each for each in expected if "provisioners" in each[1] and each[0] not in elsewhere}
    assert in_builder(job, content, samples.PLATFORM_CONTENT) == of_steps


E0 = "catalog.entries[0]"
CATALOGS: dict[str, tuple[tuple[str | int, ...], object, Found]] = {
    "nothing wrong": (("hosts",), ["tools.factory.corp"], set()),
    "http": (
        ("entries", 0, "url"),
        "http://tools.factory.corp/a",
        {("catalog-url-scheme", f"{E0}.url")},
    ),
    "foreign host": (("hosts",), ["other.factory.corp"], {("catalog-host", f"{E0}.url")}),
    "latest": (("entries", 0, "version"), "latest", {("catalog-floating-version", f"{E0}.version")}),
    "placeholder": (("entries", 0, "sha256"), "0" * 64, {("catalog-sha256-placeholder", f"{E0}.sha256")}),
    "several at once": (
        ("entries", 0),
        {**ENTRY, "url": "http://a/b", "sha256": "x", "id": "A"},
        {
            ("catalog-url-scheme", f"{E0}.url"),
            ("catalog-sha256-form", f"{E0}.sha256"),
            ("catalog-id", f"{E0}.id"),
        },
    ),
    "a host for examples": (
        ("hosts",),
        ["tools.factory.corp", "artifacts.example.com", "tools.invalid"],
        {("placeholder", "catalog.hosts[1]"), ("placeholder", "catalog.hosts[2]")},
    ),
    "an address for examples": (
        ("entries", 0, "url"),
        "https://tools.test/goss/0.4.9/goss",
        {("placeholder", f"{E0}.url"), ("catalog-host", f"{E0}.url")},
    ),
    "twice": (("entries",), [ENTRY, ENTRY], {("catalog-duplicate", "catalog.entries[1].id")}),
    "no list": (("entries",), {}, {("catalog-shape", "catalog.entries")}),
}


def platform_bundle(catalog: dict[str, Any]) -> bytes:
    return samples.pack({**samples.PLATFORM, "catalog.json": json.dumps(catalog)})


@pytest.mark.parametrize(("way", "value", "expected"), CATALOGS.values(), ids=CATALOGS.keys())
def test_a_catalog_is_judged_alike_at_every_door(
    way: tuple[str | int, ...], value: object, expected: Found, tmp_path: Path
) -> None:
    catalog = set_at(CATALOG, way, value)
    write(tmp_path, {"catalog.json": json.dumps(catalog).encode(), "platform/before/a.sh": b"x\n"})
    content = platform_bundle(catalog)
    made = scenes.registered({})
    digest = Digest(scenes.sha256(content))
    made.factory.registrar.store_bundle(digest, content, UPLOADER)
    scenes.admit(made, catalog)
    before = scenes.sources(made).find_platform()
    assert validate(tmp_path) == expected
    assert refusal(lambda: made.factory.platforms.put(digest, catalog, ADMIN)) == expected
    assert (scenes.sources(made).find_platform() == before) is bool(expected)
    # What was registered before there was a rule of placeholders goes on.
    in_force = {each for each in expected if each[0] != "placeholder"}
    assert in_builder(samples.root_job(), samples.BUNDLE_CONTENT, content) == in_force


def test_a_catalog_that_is_not_the_one_in_its_bundle_is_not_put_in_force() -> None:
    made = scenes.registered({})
    content = platform_bundle(CATALOG)
    digest = Digest(scenes.sha256(content))
    made.factory.registrar.store_bundle(digest, content, UPLOADER)
    scenes.admit(made, CATALOG)
    other = set_at(CATALOG, ("entries", 0, "version"), "0.4.10")
    assert refusal(lambda: made.factory.platforms.put(digest, other, ADMIN)) == {
        ("catalog-differs", "catalog")
    }


STAGED: dict[str, tuple[dict[str, str], set[str]]] = {
    "as it is pinned": ({}, set()),
    "from a mirror on a listed host": ({"url": "https://tools.factory.corp/mirror/goss"}, set()),
    "from elsewhere": ({"url": "https://evil.factory.corp/goss"}, {"catalog-host"}),
    "without encryption": ({"url": "http://tools.factory.corp/goss"}, {"catalog-url-scheme"}),
    "another digest": ({"sha256": "ab12" + ENTRY["sha256"][4:]}, {"catalog-differs"}),
    "a placeholder": ({"sha256": "0" * 64}, {"catalog-differs", "catalog-sha256-placeholder"}),
    "another version": ({"version": "0.4.10"}, {"catalog-differs"}),
    "a tool that nobody knows": ({"id": "nmap"}, {"catalog-differs"}),
}


@pytest.mark.parametrize(("changes", "rules"), STAGED.values(), ids=STAGED.keys())
def test_the_builder_stages_only_what_the_catalog_of_its_platform_bundle_pins(
    changes: dict[str, str], rules: set[str]
) -> None:
    job = samples.root_job(catalog=(StagedTool(**{**ENTRY, **changes}),))
    found = in_builder(job, samples.BUNDLE_CONTENT, platform_bundle(CATALOG))
    assert {rule for rule, _ in found} == rules


@pytest.mark.parametrize(
    ("catalog", "rule"), [(None, "catalog-missing"), ("not json", "catalog-shape"), ("[]", "catalog-shape")]
)
def test_a_build_with_tools_and_without_a_readable_catalog_ends_before_any_cost(
    tmp_path: Path, catalog: str | None, rule: str
) -> None:
    held = {name: text for name, text in samples.PLATFORM.items() if name != "catalog.json"}
    platform = samples.pack(held if catalog is None else {**held, "catalog.json": catalog})
    job = samples.root_job(platform=samples.digest_of(platform), catalog=(StagedTool(**ENTRY),))
    samples.store(tmp_path, job)
    (tmp_path / "bundles" / f"{job.platform}.tar.gz").write_bytes(platform)
    with pytest.raises(PermanentError, match=rule):
        inputs.fetch_archives(FolderBlobs(tmp_path), job)
