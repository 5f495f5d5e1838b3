"""Packer as a program: its template, the steps in the guest, one run of it, and what a failed run means."""
