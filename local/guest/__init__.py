"""The emulated guest answers over SSH in place of an emulated machine. It records requests and never runs anything."""
