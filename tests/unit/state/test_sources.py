"""The newest release of each source that is followed, read once for a whole fleet."""

from pipeline_core.adapters.memory.tables import MemoryTables
from pipeline_core.domain.names import Region
from pipeline_core.domain.releases import FollowedSource
from pipeline_core.domain.sources import MarketplaceSource
from pipeline_core.domain.versions import MarketplaceVersion
from pipeline_core.state.sources import SourceStore

RHEL = MarketplaceSource(publisher="RedHat", offer="RHEL", sku="9-lvm-gen2", location=Region("westeurope"))
UBUNTU = MarketplaceSource(publisher="Canonical", offer="ubuntu", sku="server", location=Region("westeurope"))
VERSION = MarketplaceVersion.parse("9.6.2025112113")


def test_every_followed_source_is_read_with_or_without_a_release() -> None:
    sources = SourceStore(MemoryTables())
    sources.save(FollowedSource(source=RHEL, newest=VERSION), etag=None)
    sources.follow(UBUNTU)
    known = {key: each.newest for key, each in sources.followed().items()}
    assert known == {RHEL.key: VERSION, UBUNTU.key: None}
