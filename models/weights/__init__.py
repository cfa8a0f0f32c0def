"""Weights that ship with the package: files only, no code."""
