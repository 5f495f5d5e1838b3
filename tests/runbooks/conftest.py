"""One factory for all pages, since its start and first builds take longer than any page."""

from collections.abc import Iterator

import pytest

from tests.runbooks import factory
from tests.runbooks.factory import ServingFactory


@pytest.fixture(scope="package")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServingFactory]:
    """A factory that serves, with seven images that are built once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PACKER", "recorded")
        with factory.serving(tmp_path_factory.mktemp("factory")) as made:
            yield made
