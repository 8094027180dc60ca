"""JSON Schema of a scenario file, for editors and other programs."""

from typing import Any

from planner.scenario.presets import workload_presets
from planner.scenario.scenario import Scenario


def scenario_json_schema() -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of what a user writes."""
    schema = Scenario.model_json_schema(mode="validation")
    workload = schema["$defs"]["Workload"]
    lengths_stated = [name for name in workload["required"] if name in ("input_tokens", "output_tokens")]
    workload["properties"]["preset"] = {
        "enum": sorted(workload_presets()),
        "description": "What is not stated of lengths, SLO and burstiness is that of the preset.",
    }
    left_out = {"rate_rps": ("trace",), "llms": ("quality",)}  # what may be left out beside what
    workload["allOf"] = [
        {"anyOf": [{"required": lengths_stated}, {"required": ["trace"]}, {"required": ["preset"]}]},
        *(
            {"anyOf": [{"required": [name]}, *({"required": [other]} for other in others)]}
            for name, others in left_out.items()
        ),
    ]
    unneeded = {*lengths_stated, *left_out}
    workload["required"] = [name for name in workload["required"] if name not in unneeded]
    lengths = schema["$defs"].pop("TokenDistribution")
    one_length = {"type": "number", "exclusiveMinimum": 0, "description": "every request has this length"}
    schema["$defs"]["TokenDistribution"] = {"anyOf": [one_length, lengths]}
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "LLM deployment scenario"
    return schema
