# shellcheck shell=sh
# Where tools look for the JDK; the link follows the release that is installed.
export JAVA_HOME=/usr/lib/jvm/jre
