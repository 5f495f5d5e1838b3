"""The version that a run made, from Packer's manifest, which names the managed image where there is one."""

import json

import pytest

from builder.packer import manifest
from pipeline_core.domain.errors import ErrorClass, PermanentError
from tests.unit.builder import samples


def naming(artifact: str) -> bytes:
    return json.dumps({"builds": [{"artifact_id": artifact}]}).encode()


@pytest.mark.parametrize("artifact", [samples.LEFT_BEHIND, samples.LEFT_BEHIND.upper()])
def test_the_managed_image_of_the_attempt_stands_for_its_version(artifact: str) -> None:
    assert manifest.version_of(naming(artifact), samples.root_job()) == samples.ARTIFACT


@pytest.mark.parametrize("artifact", [samples.ARTIFACT, samples.LEFT_BEHIND + "0", "/subscriptions/other"])
def test_another_artifact_than_the_attempts_own_managed_image_is_refused(artifact: str) -> None:
    with pytest.raises(PermanentError, match="not the managed image of this attempt") as refused:
        manifest.version_of(naming(artifact), samples.root_job())
    assert refused.value.error_class is ErrorClass.TEMPLATE


def test_without_a_managed_image_packer_names_the_version_itself() -> None:
    assert manifest.version_of(naming(samples.ARTIFACT), samples.child_job()) == samples.ARTIFACT
