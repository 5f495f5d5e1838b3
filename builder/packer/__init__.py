"""Packer as a program: its template, the steps in the guest, one run, and the error class of a failed run."""
