"""The solvers: the program's arrays in, integer values and a bound out."""
