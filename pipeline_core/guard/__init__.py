"""The policy guard: judges bundles, definitions and catalogs. Executes nothing, stores nothing."""

from pipeline_core.guard.bundles import check_bundle, check_definition, names_in

__all__ = ["check_bundle", "check_definition", "names_in"]
