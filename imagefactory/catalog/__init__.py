"""Bring the files of a catalog to the factory: fetch from the vendor, check, upload. Prints nothing."""
