#!/usr/bin/env bash
# Installs OpenJDK from Red Hat's repositories, in the feature release that the definition names (JAVA_VERSION).
set -euo pipefail

release=${JAVA_VERSION:?the definition sets JAVA_VERSION, for example 21}

dnf --assumeyes --setopt=install_weak_deps=False install "java-${release}-openjdk-headless"

# The check: a service that runs `java` gets this release.
said=$(java -version 2>&1)
grep --quiet "version \"${release}[.\"]" <<<"$said"
