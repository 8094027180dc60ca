"""Answers about answers: why a plan is as it is, what more of something is worth, what else there was."""
