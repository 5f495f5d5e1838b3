"""The composition root: which adapter stands behind which port, and which service gets which port."""
