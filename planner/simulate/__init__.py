"""Discrete-event replay of a plan, request by request and iteration by iteration."""
