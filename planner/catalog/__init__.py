"""Facts a planner can trust: accelerators, servers, LLMs, engines, instances, regions."""
