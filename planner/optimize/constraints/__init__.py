"""Constraint families, one file each: `add_rows(program, problem, columns)`.

Every file carries the title and the equations of its family (LaTeX); the formulation page is generated
from them, so that it cannot drift from the code.
"""
