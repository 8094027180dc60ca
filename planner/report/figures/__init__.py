"""The pictures of the report, one a file: inline SVG that takes its colours from the page's style."""
