"""The real Packer with its azure plugin against the emulator and its guests."""
