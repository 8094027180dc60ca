"""Write the tables of docs/scenario.md and docs/topology.md again: `python docs/make_reference.py`."""

from pathlib import Path

from planner.files.reference import with_reference
from planner.scenario import Scenario
from planner.topology import Topology

DOCS = Path(__file__).resolve().parent

for name, model in (("scenario", Scenario), ("topology", Topology)):
    page = DOCS / f"{name}.md"
    page.write_text(with_reference(page.read_text(encoding="utf-8"), model), encoding="utf-8")
