"""Records of outages of the platform."""
