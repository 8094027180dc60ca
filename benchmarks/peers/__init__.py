"""Other planners' own instances, asked of this one: one command each."""
