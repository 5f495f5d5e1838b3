#!/usr/bin/env bash
# The service's account can run Java and read its settings, but cannot change them.
set -euo pipefail

as_service() { setpriv --reuid payments --regid payments --init-groups -- "$@"; }

as_service java -version
as_service grep --quiet '^server.port=' /etc/payments-api/application.properties
if as_service test -w /etc/payments-api/application.properties; then
  echo "smoke: the service can change its own settings" >&2
  exit 1
fi
echo "smoke: ready for a deployment"
