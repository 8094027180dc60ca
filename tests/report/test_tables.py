"""The CSV tables hold the plan row by row."""

from __future__ import annotations

import pandas as pd
import pytest

from planner.report import plan_tables, write_tables
from tests.plan.tiny import full_plan


def test_every_table_reads_back_as_it_was(tmp_path):
    """What pandas writes, pandas reads: names, counts and amounts."""
    plan = full_plan()
    files = write_tables(plan, tmp_path / "tables")
    tables = plan_tables(plan)
    assert {file.stem for file in files} == set(tables)
    for file in files:
        read = pd.read_csv(file)
        assert list(read.columns) == list(tables[file.stem].columns)
        assert len(read) == len(tables[file.stem])


def test_the_cost_adds_up_in_its_table(tmp_path):
    """The parts are the total."""
    write_tables(full_plan(), tmp_path)
    cost = pd.read_csv(tmp_path / "cost.csv").set_index("part")["usd_per_h"]
    assert cost.drop("total").sum() == pytest.approx(cost["total"], abs=1e-6)


def test_servers_keep_their_watts(tmp_path):
    """One row a server, with its provisioned power."""
    plan = full_plan()
    write_tables(plan, tmp_path)
    servers = pd.read_csv(tmp_path / "servers.csv").set_index("name")
    assert servers["provisioned_w"].to_dict() == {s.name: s.provisioned_w for s in plan.servers}


def test_placements_name_every_slice(tmp_path):
    """The giant replica across two servers is one entry with both."""
    write_tables(full_plan(), tmp_path)
    replicas = pd.read_csv(tmp_path / "replicas.csv")
    assert "ams-new-new1:0-7 + ams-new-new2:0-7" in set(replicas["placements"])


def test_commas_and_quotes_in_names_survive(tmp_path):
    """A name is one cell whatever it holds."""
    plan = full_plan()
    plan.servers[0].name = 'a "quoted", name'
    write_tables(plan, tmp_path)
    assert 'a "quoted", name' in set(pd.read_csv(tmp_path / "servers.csv")["name"])
