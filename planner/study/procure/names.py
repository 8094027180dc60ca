"""Words with a meaning of their own in a procurement's study."""

NOW = "now"
"""The branch that is common to all futures: it lasts until the first one."""

EVERY = "*"
"""A key that stands for every workload or server that is not named."""
