"""The recorded Packer: a stand-in that answers like the real one, from a scenario file, without a machine."""
