"""The emulated guest: what answers over SSH where an emulated machine would. It records, and never runs anything."""
