"""Figures of studies as SVG: each has its numbers in a table beside it."""
