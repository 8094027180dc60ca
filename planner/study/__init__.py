"""Many related questions: what-if, sweeps, Pareto fronts, sensitivity, break-even, procurement.

A study is a file like a scenario. Its points are solved one after the other; shapes are timed once for all
of them, each solve starts from the nearest plan known, and every finished point is kept on disk at once.
"""
