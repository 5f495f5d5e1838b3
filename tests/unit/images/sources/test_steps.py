"""The steps that set sources of packages, run as they are on a folder that stands for a machine."""

import pytest

from tests.unit.images.sources.machine import AZURES, CLIENT, CLOUD, CONF, SourcesMachine, repository

pytestmark = pytest.mark.process

SET, UPDATE, LEAVE = "before/05-sources.sh", "before/10-update.sh", "after/82-sources.sh"
MIRROR, INNER, PROXY = "mirror.build.example.com", "mirror.example.com", "http://proxy.build.example.com:3128"


def test_without_settings_nothing_of_the_machine_changes(machine: SourcesMachine) -> None:
    for step in (SET, UPDATE, LEAVE):
        machine.does(step)
    assert machine.read("etc/dnf/dnf.conf") == CONF
    assert machine.read("etc/yum.repos.d/rh-cloud.repo") == CLOUD
    assert sorted(path.name for path in (machine.root / "etc/yum.repos.d").iterdir()) == ["rh-cloud.repo"]


def test_a_certificate_that_has_ended_is_renewed_before_the_updates(machine: SourcesMachine) -> None:
    machine.world(AZURES, certificate="ended")
    machine.does(UPDATE)
    assert [call.split()[-1] for call in machine.calls()] == ["upgrade", "upgrade", "check-upgrade"]


def test_a_machine_with_other_sources_has_no_certificate_to_renew(machine: SourcesMachine) -> None:
    machine.write("etc/yum.repos.d/rh-cloud.repo", f"[satellite]\nname=own\nbaseurl=https://{INNER}/rhel9\n")
    machine.world(INNER)
    assert "no certificate to renew" in machine.does(UPDATE)


def test_a_client_package_that_cannot_be_renewed_fails_with_the_reason(machine: SourcesMachine) -> None:
    machine.world()
    done = machine.run(UPDATE)
    assert done.returncode == 1
    assert "Curl error (28): Timeout was reached" in done.stderr
    assert "update: the client package of Azure's update servers cannot be renewed" in done.stderr


def test_a_build_uses_the_mirror_alone_and_the_image_azures_servers_again(machine: SourcesMachine) -> None:
    machine.settings(build={"repositories": [repository(MIRROR)]})
    machine.world(MIRROR)  # nothing else answers, as in a restricted network
    machine.does(SET)
    machine.does(UPDATE)
    machine.does(SET)  # a step that runs twice
    assert machine.dnf("--assumeyes", "install", "ansible-core").returncode == 0
    machine.does(LEAVE)
    assert machine.read("etc/dnf/dnf.conf") == CONF
    assert machine.read("etc/yum.repos.d/rh-cloud.repo") == CLOUD
    assert not (machine.root / "var/lib/imagefactory-build-sources").exists()
    machine.world(AZURES)
    machine.does(UPDATE)


def test_a_mirror_is_asked_with_its_own_key_and_authority(machine: SourcesMachine) -> None:
    machine.key("mirror.asc")
    machine.key("authority.pem")
    given = {**repository(MIRROR, key="keys/mirror.asc"), "caCertificate": "keys/authority.pem"}
    machine.settings(build={"repositories": [given]})
    machine.world(MIRROR)
    machine.does(SET)
    machine.does(UPDATE)
    text = machine.read("var/lib/imagefactory-build-sources/build.repo")
    assert "gpgcheck=1\nsslverify=1\n" in text
    assert "gpgkey=file:///var/lib/imagefactory-build-sources/keys/mirror.asc\n" in text
    assert "sslcacert=/var/lib/imagefactory-build-sources/keys/authority.pem\n" in text


def test_a_key_that_the_image_does_not_have_fails_with_one_line(machine: SourcesMachine) -> None:
    machine.settings(build={"repositories": [repository(MIRROR, key="/etc/pki/rpm-gpg/absent")]})
    done = machine.run(SET)
    assert done.returncode == 1
    assert done.stderr == (
        "sources: repository mirror-baseos: the image has no /etc/pki/rpm-gpg/absent; put the file beside "
        "settings.json, in keys/\n"
    )


def test_the_proxy_of_the_build_is_gone_from_the_image(machine: SourcesMachine) -> None:
    machine.settings(build={"proxy": PROXY})
    machine.world("proxy.build.example.com")
    machine.does(SET)
    machine.does(UPDATE)
    assert f"proxy={PROXY}\n" in machine.read("etc/dnf/dnf.conf")
    machine.does(LEAVE)
    assert machine.read("etc/dnf/dnf.conf") == CONF


def test_a_deployed_machine_uses_what_it_reaches_and_nothing_else(machine: SourcesMachine) -> None:
    machine.key("inner.asc")
    deployed = {
        "repositories": [repository(INNER, "inner", "keys/inner.asc")],
        "proxy": "http://out.example.com:8080",
    }
    machine.settings(build={"proxy": PROXY}, deployed=deployed)
    machine.write("etc/yum.repos.d/team.repo", f"[team]\nname=team\nbaseurl=https://{INNER}/team\n")
    machine.does(SET)
    said = machine.does(LEAVE)
    assert "team of team.repo is switched off: it is not in deployed.repositories" in said
    assert "enabled=1" not in machine.read("etc/yum.repos.d/rh-cloud.repo")
    assert "sslclientcert=/etc/pki/rhui/product/content.crt" in machine.read("etc/yum.repos.d/rh-cloud.repo")
    assert "proxy=http://out.example.com:8080\n" in machine.read("etc/dnf/dnf.conf")
    machine.world("out.example.com")
    machine.does(SET, image="a-child")  # the build's proxy again
    assert f"proxy={PROXY}\n" in machine.read("etc/dnf/dnf.conf")
    machine.does(LEAVE)
    done = machine.dnf("--assumeyes", "install", "jq")
    assert done.returncode == 0, done.stderr


def test_the_keys_of_the_repositories_leave_the_folder_of_certificates_alone(machine: SourcesMachine) -> None:
    machine.key("inner.asc")
    machine.settings(deployed={"repositories": [repository(INNER, "inner", "keys/inner.asc")]})
    machine.write("etc/pki/imagefactory/server.pem", "a certificate\n")
    machine.does(LEAVE)
    machine.does(LEAVE)
    assert sorted(path.name for path in (machine.root / "etc/pki/imagefactory").iterdir()) == ["server.pem"]
    text = machine.read("etc/yum.repos.d/imagefactory.repo")
    assert "gpgkey=file:///etc/pki/imagefactory-sources/keys/inner.asc\n" in text
    assert machine.read("etc/pki/imagefactory-sources/keys/inner.asc") == "a key\n"


def test_a_key_that_the_settings_do_not_name_any_more_goes(machine: SourcesMachine) -> None:
    for name in ("old.asc", "new.asc"):
        machine.key(name)
        machine.settings(deployed={"repositories": [repository(INNER, "inner", f"keys/{name}")]})
        machine.does(LEAVE)
    assert [path.name for path in (machine.root / "etc/pki/imagefactory-sources/keys").iterdir()] == [
        "new.asc"
    ]


def test_what_a_step_left_of_the_mirror_fails_the_build(machine: SourcesMachine) -> None:
    machine.settings(build={"repositories": [repository(MIRROR)]})
    machine.does(SET)
    machine.write("etc/yum.repos.d/x.repo", f"[x]\nname=x\nbaseurl=https://{MIRROR}/x\n")
    done = machine.run(LEAVE)
    assert done.returncode == 1
    assert done.stderr.endswith(
        f"x.repo names {MIRROR}, which only a build reaches: remove it in the step that writes it\n"
    )
    machine.write("etc/yum.repos.d/x.repo", f"[x]\nname=x\nbaseurl=https://eu.{MIRROR}/x\n")
    machine.does(LEAVE)


def test_a_base_stays_on_its_release_with_eus(machine: SourcesMachine) -> None:
    machine.settings(releases={"rhel9-eus": {"releasever": "9.6", "eus": True}})
    machine.does(SET, image="rhel9-eus")
    assert machine.read("etc/dnf/vars/releasever") == "9.6\n"
    assert machine.packages() == ["rhui-azure-rhel9-eus"]
    assert "content/eus/rhel9" in machine.read("etc/yum.repos.d/rh-cloud.repo")
    assert [path.name for path in (machine.root / "etc/yum.repos.d").iterdir()] == ["rh-cloud.repo"]
    machine.does(SET, image="rhel9-eus")  # again: the package is there
    assert len([call for call in machine.calls() if "remove" in call]) == 1


def test_eus_is_verified_by_a_copy_of_the_key_that_goes_with_the_client_package(
    machine: SourcesMachine,
) -> None:
    machine.settings(releases={"rhel9-eus": {"releasever": "9.6", "eus": True}})
    key = machine.root / "etc/pki/rpm-gpg/RPM-GPG-KEY-microsoft-azure-release"
    machine.owns("rhui-azure-rhel9", key)
    machine.does(SET, image="rhel9-eus")
    assert not key.exists()
    assert machine.packages() == ["rhui-azure-rhel9-eus"]
    assert list((machine.root / "run").iterdir()) == []


def test_eus_without_the_key_of_the_client_package_fails_before_anything_is_removed(
    machine: SourcesMachine,
) -> None:
    machine.settings(releases={"rhel9-eus": {"releasever": "9.6", "eus": True}})
    (machine.root / "etc/pki/rpm-gpg/RPM-GPG-KEY-microsoft-azure-release").unlink()
    done = machine.run(SET, image="rhel9-eus")
    assert done.returncode == 1
    assert "RPM-GPG-KEY-microsoft-azure-release is missing" in done.stderr
    assert machine.packages() == [CLIENT]


def test_a_base_stays_on_a_release_of_a_mirror(machine: SourcesMachine) -> None:
    machine.settings(
        build={"repositories": [repository(MIRROR)]}, releases={"rhel9-eus": {"releasever": "9.6"}}
    )
    machine.does(SET, image="rhel9-eus")
    assert machine.read("etc/dnf/vars/releasever") == "9.6\n"
    assert machine.packages() == [CLIENT]


def test_other_images_are_not_pinned_and_keep_their_parents_release(machine: SourcesMachine) -> None:
    machine.settings(releases={"rhel9-eus": {"releasever": "9.6", "eus": True}})
    machine.does(SET, image="rhel9-java")
    assert not (machine.root / "etc/dnf/vars/releasever").exists()
    machine.write("etc/dnf/vars/releasever", "9.4\n")
    machine.does(SET, image="rhel9-java")
    assert machine.read("etc/dnf/vars/releasever") == "9.4\n"


@pytest.mark.parametrize("wanted", ["9.4", "10.0", "8.10"])
def test_a_release_is_never_lowered_nor_of_another_major(machine: SourcesMachine, wanted: str) -> None:
    machine.settings(releases={"rhel9-eus": {"releasever": wanted, "eus": True}})
    done = machine.run(SET, image="rhel9-eus")
    assert done.returncode == 1
    assert f"rhel9-eus is RHEL 9.6 and settings.json says {wanted}: packages are never lowered" in done.stderr
    assert machine.packages() == [CLIENT]


def test_eus_comes_through_the_proxy_of_the_build(machine: SourcesMachine) -> None:
    machine.settings(build={"proxy": PROXY}, releases={"rhel9-eus": {"releasever": "9.6", "eus": True}})
    machine.world("proxy.build.example.com")
    machine.does(SET, image="rhel9-eus")
    assert machine.packages() == ["rhui-azure-rhel9-eus"]


def test_the_verify_stage_uses_the_builds_sources_and_changes_nothing(machine: SourcesMachine) -> None:
    machine.key("mirror.asc")
    machine.settings(build={"repositories": [repository(MIRROR, key="keys/mirror.asc")], "proxy": PROXY})
    folder = str(machine.root / "run")
    said = machine.does("sources/sources.sh", "options", folder).splitlines()
    assert said == ["--config", f"{folder}/dnf.conf"]
    assert machine.read("etc/dnf/dnf.conf") == CONF
    machine.world("proxy.build.example.com")
    done = machine.dnf(*said, "install", "openscap-scanner")
    assert done.returncode == 0, done.stderr
    assert "openscap-scanner" in machine.packages()


def test_the_verify_stage_asks_the_mirror_alone(machine: SourcesMachine) -> None:
    machine.settings(build={"repositories": [repository(MIRROR)]})
    said = machine.does("sources/sources.sh", "options", str(machine.root / "run")).splitlines()
    machine.world(MIRROR)  # nothing else answers
    done = machine.dnf(*said, "install", "openscap-scanner")
    assert done.returncode == 0, done.stderr


def test_the_verify_stage_has_no_options_where_nothing_is_set(machine: SourcesMachine) -> None:
    assert machine.does("sources/sources.sh", "options", str(machine.root / "run")) == "\n"


def test_another_folder_of_repositories_is_not_replaced_without_a_word(machine: SourcesMachine) -> None:
    machine.settings(build={"repositories": [repository(MIRROR)]})
    machine.write("etc/dnf/dnf.conf", "[main]\nreposdir=/etc/own\n")
    done = machine.run(SET)
    assert done.stderr == (
        "sources: /etc/dnf/dnf.conf has reposdir=/etc/own, which build.repositories would replace; remove it from the "
        "image\n"
    )


def test_a_file_of_the_build_is_found_where_a_folder_is_missing(machine: SourcesMachine) -> None:
    machine.settings(build={"repositories": [repository(MIRROR)]})
    (machine.root / "etc/yum.repos.d/rh-cloud.repo").unlink()
    (machine.root / "etc/yum.repos.d").rmdir()
    machine.write("etc/dnf/plugins/x.conf", f"{MIRROR}\n")
    assert machine.run(LEAVE).returncode == 1


@pytest.mark.parametrize("step", [SET, LEAVE])
def test_settings_that_cannot_be_read_stop_the_step(machine: SourcesMachine, step: str) -> None:
    (machine.platform / "platform" / "sources" / "settings.json").write_text("{", "utf-8")
    done = machine.run(step)
    assert done.returncode == 1
    assert done.stderr.startswith("sources: Expecting property name")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("words", [["other"], ["release"], []])
def test_a_wrong_call_is_refused(machine: SourcesMachine, words: list[str]) -> None:
    done = machine.run("sources/sources.sh", *words)
    assert done.returncode == 1
    assert done.stderr.startswith("sources: ")
