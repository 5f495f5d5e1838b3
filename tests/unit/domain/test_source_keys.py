"""Keys of followed sources: the key of each source is one, and case does not matter in a request."""

import pytest

from pipeline_core.domain.errors import InvalidValue
from pipeline_core.domain.names import Region
from pipeline_core.domain.sources import MarketplaceSource, SourceKey


def test_the_key_of_a_source_is_a_key_in_any_case() -> None:
    source = MarketplaceSource(
        publisher="RedHat", offer="RHEL", sku="9-lvm-gen2", location=Region("westeurope")
    )
    assert str(SourceKey(source.key)) == "redhat:rhel:9-lvm-gen2:westeurope"
    assert SourceKey(source.key.upper()).value == source.key.upper()


@pytest.mark.parametrize(
    "text", ["", "a:b:c", "a:b:c:d", "a:b:c:westeurope:e", "-a:b:c:westeurope", f"{'a' * 129}:b:c:westeurope"]
)
def test_another_text_is_not_a_key(text: str) -> None:
    with pytest.raises(InvalidValue, match="publisher:offer:sku:location"):
        SourceKey(text)


def test_a_key_does_not_end_in_a_line_end() -> None:
    with pytest.raises(InvalidValue):
        SourceKey("a:b:c:westeurope\n")
