"""JSON Schema of a scenario file, for editors and other programs."""

from typing import Any

from planner.scenario.scenario import Scenario


def scenario_json_schema() -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of what a user writes."""
    schema = Scenario.model_json_schema(mode="validation")
    workload = schema["$defs"]["Workload"]
    from_trace = {"rate_rps", "input_tokens", "output_tokens"}
    stated = [name for name in workload["required"] if name in from_trace]
    workload["required"] = [name for name in workload["required"] if name not in from_trace]
    workload["anyOf"] = [{"required": stated}, {"required": ["trace"]}]
    lengths = schema["$defs"].pop("TokenDistribution")
    one_length = {"type": "number", "exclusiveMinimum": 0, "description": "every request has this length"}
    schema["$defs"]["TokenDistribution"] = {"anyOf": [one_length, lengths]}
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "LLM deployment scenario"
    return schema
