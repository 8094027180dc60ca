"""The physics of a replica: memory, compute, collectives, step time, batching, queueing, power."""
