#!/usr/bin/env bash
# Vault starts, answers that it is not yet initialised, and stops. The server is temporary, in memory and on loopback.
set -euo pipefail

folder=$(mktemp --directory)
cat >"$folder/vault.hcl" <<'CONFIG'
storage "inmem" {}
listener "tcp" {
  address     = "127.0.0.1:18200"
  tls_disable = true
}
disable_mlock = true
CONFIG
/usr/local/bin/vault server -config="$folder/vault.hcl" >"$folder/log" 2>&1 &
server=$!
trap 'kill "$server" 2>/dev/null || true; rm -rf -- "$folder"' EXIT

for _ in {1..30}; do
  # 501: it runs and is not initialised.
  code=$(curl --silent --output /dev/null --write-out '%{http_code}' http://127.0.0.1:18200/v1/sys/health || true)
  if [[ $code == 501 ]]; then
    echo "smoke: Vault answers"
    exit 0
  fi
  sleep 1
done
cat "$folder/log" >&2
echo "smoke: Vault did not answer within 30 s" >&2
exit 1
