"""The rules of the policy guard by their ids. They are stable: docs, filters in CI and people use them.

Judges nothing. docs/authoring.md has a row for each, and a test checks that both agree.
"""

from enum import StrEnum, unique


@unique
class GuardRule(StrEnum):
    """What a finding objects to."""

    BUNDLE_SIZE = "bundle-size"  # compressed
    BUNDLE_UNPACKED_SIZE = "bundle-unpacked-size"
    BUNDLE_RATIO = "bundle-ratio"  # unpacked to compressed, as an archive bomb has it
    BUNDLE_MEMBERS = "bundle-members"  # how many
    BUNDLE_LINK = "bundle-link"  # symbolic and hard links, and other members that are not the file itself
    BUNDLE_DEVICE = "bundle-device"  # devices and pipes
    BUNDLE_ABSOLUTE_NAME = "bundle-absolute-name"
    BUNDLE_OUTSIDE = "bundle-outside"  # `..`
    BUNDLE_NAME = "bundle-name"  # too long, too deep, control characters, not UTF-8
    BUNDLE_DUPLICATE = "bundle-duplicate"  # a name twice, or a file that is a folder too
    BUNDLE_FORM = "bundle-form"  # not a plain tar.gz
    SECRET = "secret"  # noqa: S105 - a value in the form of a credential
    SECRET_NAME = "secret-name"  # noqa: S105 - a variable that is a secret by its name, with a value
    PATH_IN_BUNDLE = "path-in-bundle"  # a file that the definition names and the bundle lacks
    DESTINATION = "destination"  # a place of the guest that no team may write
    FLOATING_VERSION = "floating-version"  # a value of a team that names `latest` or a wildcard
    HTTP_URL = "http-url"  # an address without encryption in a value of a team
    WEBHOOK_ADDRESS = "webhook-address"  # a webhook to a machine's own address or an unnamed one
    PLACEHOLDER = "placeholder"  # a host that is reserved for examples, in what is registered
    CATALOG_SHAPE = "catalog-shape"  # keys and types
    CATALOG_SIZE = "catalog-size"  # how many entries and hosts
    CATALOG_HOSTS = "catalog-hosts"  # the allow-list itself
    CATALOG_ID = "catalog-id"
    CATALOG_DUPLICATE = "catalog-duplicate"
    CATALOG_VERSION = "catalog-version"  # its form
    CATALOG_FLOATING_VERSION = "catalog-floating-version"  # `latest`, a wildcard, also in the address
    CATALOG_URL_SCHEME = "catalog-url-scheme"  # not https
    CATALOG_URL_FORM = "catalog-url-form"  # user, port, query, fragment, odd characters
    CATALOG_HOST = "catalog-host"  # not on the allow-list
    CATALOG_SHA256_FORM = "catalog-sha256-form"
    CATALOG_SHA256_PLACEHOLDER = "catalog-sha256-placeholder"
    CATALOG_MISSING = "catalog-missing"  # a build stages tools, and its platform bundle has no catalog
    CATALOG_DIFFERS = "catalog-differs"  # from the catalog in the platform bundle
    SOURCES_SHAPE = "sources-shape"  # keys and types
    SOURCES_ADDRESS = "sources-address"  # user, query, another scheme
    SOURCES_KEY = "sources-key"  # a signing key or certificate that is not in the bundle
    SOURCES_RELEASE = "sources-release"  # a pinned release
    SCAP_ARCHIVE = "scap-archive"  # the guide pinned where only steps of an older release read it
