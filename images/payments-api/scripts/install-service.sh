#!/usr/bin/env bash
# Makes the account, folders and unit of the payments API. The application's archive is not part of the image.
set -euo pipefail

account=${SERVICE_USER:?the definition sets SERVICE_USER}

getent passwd "$account" >/dev/null ||
  useradd --system --user-group --home-dir /var/lib/payments-api --shell /sbin/nologin "$account"
install -d -m 0755 -o root -g root /opt/payments-api
install -d -m 0750 -o "$account" -g "$account" /var/lib/payments-api
chown "root:$account" /etc/payments-api/application.properties
chmod 0640 /etc/payments-api/application.properties
systemctl enable payments-api.service

# The check: systemd accepts the unit, and it starts with the next boot.
systemd-analyze verify /etc/systemd/system/payments-api.service
systemctl is-enabled --quiet payments-api.service
