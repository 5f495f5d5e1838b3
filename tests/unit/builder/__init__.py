"""Tests of the builder: no Azure, no Packer; a folder stands for storage and a small script for Packer."""
