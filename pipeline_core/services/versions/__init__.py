"""What is done with published versions: which of them retention removes."""
