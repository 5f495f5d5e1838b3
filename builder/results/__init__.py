"""What came out of the guest and goes into the report: checks, compliance scan, SBOM, evidence."""
