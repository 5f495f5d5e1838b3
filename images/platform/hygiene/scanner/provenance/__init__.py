"""Says which package manager vouches for a file: the manager lists it with a digest, and the digest still agrees."""
