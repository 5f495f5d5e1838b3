"""The results from the guest that go into the report: checks, compliance scan, SBOM, evidence."""
