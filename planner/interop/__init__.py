"""Imports and exports of other tools' formats."""
