"""Asks the running API what its OpenAPI document promises."""
