"""The answer: plan types, costs, verification, and the way from a question to a plan."""
