"""Documents for tests: a full one that uses every key, and copies of it with one thing changed."""

import copy
from typing import Any

from pipeline_core.domain.names import Digest, Region

BUNDLE = Digest("ab" * 32)
HERE = Region("westeurope")

FULL = """
apiVersion: imagefactory/v1
kind: ImageDefinition
metadata:
  name: payments-rhel9
  team: payments
  owners: [payments@example.com, ops@example.com]
  description: "The payments image."
  labels: {tier: "1", cost-centre: "4711"}
spec:
  version: {major: 2}
  parent: {image: rhel9-base, channel: live}
  os: {generation: V2, architecture: x64, securityType: TrustedLaunch}
  build:
    vmSize: Standard_D2s_v5
    timeout: 60m
    osDiskSizeGb: 128
    volumes: [{mount: /opt, sizeGb: 20}, {mount: /var, share: 50}]
    catalog: [falcon-sensor]
    provisioners:
      - {shell: scripts/install.sh, env: {JAVA_VERSION: "21"}}
      - {ansible: playbook.yml}
      - {file: files/app.conf, destination: /etc/app.conf}
  serves: [{port: 8443, when: deployed}, {port: 514, protocol: udp}]
  verify:
    goss: goss.yaml
    smoke: [tests/smoke.sh]
    compliance:
      profile: cis_server_l1
      minScore: 90
      tailoring: files/tailoring.xml
      waivers: [{rule: xccdf_rule_1, reason: no graphics, owner: sec@example.com, expires: 2027-01-31}]
  publish: {regions: [{name: westeurope, replicas: 2}, {name: northeurope}], endOfLife: 90d}
  rebuild: {on: [parent], window: "Mon-Fri 06:00-20:00 Europe/Amsterdam", maxAge: 30d, suspend: true}
  retention: {keep: 7, maxAge: 120d, keepInUse: false}
  notify: [{webhook: "https://hooks.factory.corp/a?b=c", events: [build.failed, image.published]}]
"""

MINIMAL: dict[str, Any] = {
    "apiVersion": "imagefactory/v1",
    "kind": "ImageDefinition",
    "metadata": {"name": "small", "team": "payments", "owners": ["payments@example.com"]},
    "spec": {"parent": {"image": "rhel9-base"}, "build": {}},
}


def changed(path: str, value: object) -> dict[str, Any]:
    """The minimal document with `value` at the dotted path; mappings on the way are made."""
    document = copy.deepcopy(MINIMAL)
    here = document
    *way, last = path.split(".")
    for key in way:
        here = here.setdefault(key, {})
    here[last] = value
    return document
