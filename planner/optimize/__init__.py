"""The mathematical program: problem tables, variables, constraints, solution method, explanation."""
