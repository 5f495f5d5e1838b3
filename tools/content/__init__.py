"""Checks what is baked: a folder that stands for Red Hat's Azure image is scanned, hardened, and scanned again."""
