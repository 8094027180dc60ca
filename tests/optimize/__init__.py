"""Tests of the mathematical program on tiny problems."""
