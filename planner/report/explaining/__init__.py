"""Explanations on the terminal, and the commands that ask for them."""
