#!/usr/bin/env bash
# Installs Node.js and npm from Red Hat's module, in the stream that the definition names (NODE_VERSION). The stream
# stays enabled in the image, so that updates keep this major version.
set -euo pipefail

release=${NODE_VERSION:?the definition sets NODE_VERSION, for example 22}

dnf --assumeyes module enable "nodejs:${release}"
dnf --assumeyes --setopt=install_weak_deps=False install nodejs npm

# The check: that version runs, and npm with it.
[[ $(node --version) == "v${release}."* ]]
npm --version
