#!/usr/bin/env bash
# OpenJDK from Red Hat's repositories, in the feature release that the definition names (JAVA_VERSION).
set -euo pipefail

release=${JAVA_VERSION:?the definition sets JAVA_VERSION, for example 21}

dnf --assumeyes --setopt=install_weak_deps=False install "java-${release}-openjdk-headless"

# The check: the `java` that a service gets is that release.
java -version 2>&1 | grep --quiet "version \"${release}[.\"]"
