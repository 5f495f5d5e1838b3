"""Programs that know who they are: files by which a copy of a machine acts as that machine at a service.

Paths are the programs' defaults on RHEL. A source stands beside a product where one was found that says that the file
is one machine's; without one, the file's name or its maker's manual says so.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

from scanner.finding import Finding
from scanner.system import System, is_filled


@dataclass(frozen=True)
class Agent:
    """A product, and patterns of its files. An empty file counts as none: so an identity is reset without removal."""

    product: str
    patterns: tuple[str, ...]


def _agent(product: str, *patterns: str) -> Agent:
    return Agent(product=product, patterns=patterns)


AGENTS = (
    # Security and vulnerabilities.
    _agent("CrowdStrike Falcon", "/opt/CrowdStrike/falconstore"),
    _agent("Microsoft Defender", "/etc/opt/microsoft/mdatp/*onboard*.json"),
    _agent("Qualys Cloud Agent", "/etc/qualys/hostid", "/usr/local/qualys/cloud-agent/Config.db"),
    # `agent unlink` does not remove the tag: docs.tenable.com, Nessus Agent
    _agent(
        "Tenable Nessus",
        "/etc/tenable_tag",
        "/opt/nessus_agent/var/nessus/uuid",
        "/opt/nessus/var/nessus/uuid",
    ),
    _agent("Rapid7 Insight Agent", "/opt/rapid7/ir_agent/components/bootstrap/common/bootstrap.cfg"),
    _agent("Rapid7 Insight Agent", "/opt/rapid7/ir_agent/components/bootstrap/common/ssl/*"),
    _agent("Rapid7 Insight Agent", "/opt/rapid7/ir_agent/components/insight_agent/common/agent.*id*"),
    _agent("Tanium Client", "/opt/Tanium/TaniumClient/client.db", "/opt/Tanium/TaniumClient/pki.db"),
    _agent(
        "SentinelOne", "/opt/sentinelone/configuration/basic.conf", "/opt/sentinelone/configuration/agent_id*"
    ),
    _agent(
        "Trend Micro Deep Security",
        "/var/opt/ds_agent/dsa_core/ds_agent.config",
        "/var/opt/ds_agent/dsa_core/*.crt",
    ),
    _agent("Carbon Black", "/var/opt/carbonblack/psc/cfg.ini", "/var/lib/cb/sensor.id"),
    _agent(
        "Sophos", "/opt/sophos-spl/base/etc/sophosspl/mcs.config", "/opt/sophos-spl/base/etc/machine_id.txt"
    ),
    _agent("Trellix", "/etc/ma.d/EPOAGENT3000/config.xml", "/var/McAfee/agent/db/ma.db"),
    _agent("FireEye", "/var/lib/fireeye/xagt/main.db*"),  # EUCweb/BIS-F#322
    _agent("Lacework", "/var/lib/lacework/config/hostid*"),
    _agent("osquery", "/var/osquery/osquery.db", "/etc/osquery/osquery.secret", "/etc/osquery/enroll_secret"),
    _agent(
        "osquery of Fleet",
        "/opt/orbit/identifier",
        "/opt/orbit/secret-orbit-node-key.txt",
        "/opt/orbit/osquery.db",
    ),
    # Logs and figures.
    # "Splunk expects that every instance will have a unique string": help.splunk.com, instance.cfg.conf
    _agent("Splunk", "/opt/splunkforwarder/etc/instance.cfg", "/opt/splunk/etc/instance.cfg"),
    _agent("Wazuh", "/var/ossec/etc/client.keys"),  # wazuh/wazuh#15565
    _agent(
        "Elastic Agent",
        "/opt/Elastic/Agent/fleet.enc*",
        "/opt/Elastic/Agent/.vault",
        "/etc/elastic-agent/fleet.enc*",
    ),
    _agent("Elastic Agent", "/var/lib/elastic-agent/data/elastic-agent-*/fleet.enc*"),
    _agent("Elastic Beats", "/var/lib/*beat/meta.json"),  # elastic/beats#19741, #37743
    _agent("Datadog", "/opt/datadog-agent/run/agent_ipc.key", "/etc/datadog-agent/auth_token"),
    _agent("Datadog", "/etc/datadog-agent/ipc_cert.pem"),
    _agent("Dynatrace", "/var/lib/dynatrace/oneagent/agent/config/ruxitagenthost.conf"),
    _agent(
        "Dynatrace",
        "/var/lib/dynatrace/oneagent/agent/config/*hostid*",
        "/opt/dynatrace/gateway/config/id.properties",
    ),
    _agent("New Relic", "/var/db/newrelic-infra/data/.*", "/var/db/newrelic-infra/identity*"),
    _agent("Zabbix", "/etc/zabbix/*.psk", "/etc/zabbix/*/*.psk"),
    _agent("Azure Monitor", "/etc/opt/microsoft/omsagent/*/conf/omsadmin.conf"),
    _agent(
        "Azure Monitor",
        "/etc/opt/microsoft/azuremonitoragent/*.pem",
        "/var/opt/microsoft/azuremonitoragent/*.pem",
    ),
    _agent("Grafana Alloy", "/var/lib/alloy/data/alloy_seed.json", "/etc/alloy/alloy_seed.json"),
    _agent(
        "Netdata", "/var/lib/netdata/registry/netdata.public.unique.id", "/var/lib/netdata/cloud.d/claimed_id"
    ),
    _agent("Netdata", "/var/lib/netdata/cloud.d/private.pem"),
    # Configuration, domains, management.
    _agent("subscription-manager", "/etc/pki/consumer/cert.pem", "/etc/pki/consumer/key.pem"),
    _agent("subscription-manager", "/etc/pki/entitlement/*.pem", "/etc/sysconfig/rhn/systemid"),
    _agent("Red Hat Insights", "/etc/insights-client/.registered", "/etc/insights-client/machine-id"),
    _agent(
        "rhc",
        "/etc/rhc/workers/*.secret",
        "/var/lib/yggdrasil/client-id",
        "/usr/local/var/lib/yggdrasil/client-id",
    ),
    _agent("a domain", "/etc/krb5.keytab", "/var/lib/sss/db/ccache_*", "/var/lib/samba/private/secrets.tdb"),
    _agent("FreeIPA", "/etc/ipa/default.conf", "/var/lib/ipa-client/sysrestore/sysrestore.state"),
    _agent(
        "Puppet", "/etc/puppetlabs/puppet/ssl/certs/*.pem", "/etc/puppetlabs/puppet/ssl/private_keys/*.pem"
    ),
    _agent("Puppet", "/var/lib/puppet/ssl/certs/*.pem", "/var/lib/puppet/ssl/private_keys/*.pem"),
    _agent("Chef", "/etc/chef/client.pem", "/etc/chef/validation.pem", "/etc/cinc/client.pem"),
    _agent("Salt", "/etc/salt/pki/minion/minion.pem", "/etc/salt/minion_id"),
    _agent("CFEngine", "/var/cfengine/ppkeys/localhost.priv"),
    _agent("Azure Arc", "/var/opt/azcmagent/certs/*", "/var/opt/azcmagent/agentconfig.json"),
    _agent(
        "Azure DevOps agent",
        "/opt/*agent*/.agent",
        "/opt/*agent*/.credentials",
        "/opt/*agent*/.credentials_rsaparams",
    ),
    _agent("GitHub runner", "/opt/*runner*/.runner", "/opt/*runner*/.credentials"),
    _agent("GitLab Runner", "/etc/gitlab-runner/.runner_system_id"),
    _agent("AWS Systems Manager", "/var/lib/amazon/ssm/Vault/Store/*", "/var/lib/amazon/ssm/registration"),
    _agent("Entra sign-in", "/etc/aadpasswd", "/var/lib/aad*", "/var/cache/himmelblaud/*"),
    _agent("Teleport", "/var/lib/teleport/host_uuid"),  # gravitational/teleport#546
    # Networks and clusters.
    _agent("Tailscale", "/var/lib/tailscale/tailscaled.state"),  # tailscale/tailscale#506
    _agent(
        "ZeroTier", "/var/lib/zerotier-one/identity.*", "/var/lib/zerotier-one/authtoken.secret"
    ),  # ZeroTierOne#484
    _agent("Netbird", "/etc/netbird/config.json", "/var/lib/netbird/config.json"),
    _agent("WireGuard", "/etc/wireguard/*.conf", "/etc/wireguard/private*"),
    _agent(
        "Consul", "/opt/consul/node-id", "/opt/consul/data/node-id", "/var/lib/consul/node-id"
    ),  # consul#4741
    _agent(
        "Nomad",
        "/opt/nomad/client/client-id",
        "/opt/nomad/data/client/client-id",
        "/var/lib/nomad/client/client-id",
    ),
    _agent(
        "Nomad",
        "/opt/nomad/data/client/secret-id",
        "/var/lib/nomad/client/secret-id",
        "/opt/nomad/client/secret-id",
    ),
    _agent("Kubernetes", "/var/lib/kubelet/pki/kubelet-client-*.pem", "/etc/kubernetes/kubelet.conf"),
    _agent("Kubernetes", "/var/lib/rancher/k3s/server/token", "/var/lib/rancher/rke2/server/token"),
    _agent("Docker", "/etc/docker/key.json", "/var/lib/docker/engine-id", "/var/lib/docker/swarm/state.json"),
    _agent("MySQL or MariaDB", "/var/lib/mysql/auto.cnf"),
    _agent("Kafka", "/var/lib/kafka/meta.properties", "/var/lib/kafka/*/meta.properties"),
    _agent("RabbitMQ or another program in Erlang", "/var/lib/*/.erlang.cookie"),
)
# fluent-bit and fluentd keep positions in files, and no identity, so nothing of theirs is here.


def judge(system: System) -> Iterator[Finding]:
    """Findings of the rule enrolment."""
    seen = set()
    for agent in AGENTS:
        for pattern in agent.patterns:
            for path in system.matching(pattern):
                if path not in seen and is_filled(path) and _is_one(path):
                    seen.add(path)
                    yield system.finding(path, "enrolment", f"enrolment of one machine: {agent.product}")


def _is_one(path: str) -> bool:
    """False for an empty folder."""
    return not os.path.isdir(path) or bool(os.listdir(path))
