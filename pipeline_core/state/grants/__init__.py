"""Records of who granted what to whom: approvals of parents, and waivers of rules."""
