"""The recorded Packer: it answers like the real Packer, from a scenario file, without a machine."""
