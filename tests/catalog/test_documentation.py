"""The examples of docs/catalog.md work as they stand."""

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from planner.catalog import load_catalog
from planner.catalog.architectures import FAMILIES
from planner.cli import app
from planner.files.document import parse_document
from planner.topology import load_topology

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "catalog.md").read_text(encoding="utf-8")
EXAMPLE = ROOT / "examples" / "catalog" / "my-catalog.yaml"
BLOCKS = re.findall(r"```yaml\n(.*?)```", TEXT, flags=re.S)


COMMANDS = [
    line.partition("#")[0].split()[1:]
    for block in re.findall(r"```\n(planner .*?)```", TEXT, flags=re.S)
    for line in block.splitlines()
]


def _catalog_blocks():
    return [block for block in BLOCKS if re.match(r"(sources|accelerators|servers|llms|regions):", block)]


def test_the_page_shows_a_gpu_a_model_and_a_site():
    """One block of each kind at least."""
    together = "\n".join(_catalog_blocks())
    for section in ("sources", "accelerators", "servers", "llms", "regions"):
        assert f"{section}:\n" in together
    assert any(block.startswith("name: gothenburg-room") for block in BLOCKS)


def test_the_page_repeats_the_example_file():
    """What the page shows is in the file that the tests load, line by line."""
    example = EXAMPLE.read_text(encoding="utf-8")
    for block in _catalog_blocks():
        for line in block.splitlines():
            assert line in example, line


def test_the_blocks_of_the_page_load_together(tmp_path):
    """Pasted into one file, in the order of the page, they are a working catalog."""
    path = tmp_path / "pasted.yaml"
    path.write_text("\n".join(_catalog_blocks()), encoding="utf-8")
    (tmp_path / "models").symlink_to(EXAMPLE.parent / "models")
    catalog = load_catalog(path)
    assert catalog.servers["acme-x1-8"].host_w == 2700
    assert catalog.llm("my-llm").layers == 32
    assert catalog.regions.electricity_usd_per_kwh("gothenburg") == pytest.approx(0.071)


def test_the_site_of_the_page_loads():
    """The topology stands in the added region and holds the added server."""
    catalog = load_catalog(EXAMPLE)
    block = next(block for block in BLOCKS if block.startswith("name: gothenburg-room"))
    topology = load_topology(parse_document(block).data, catalog)
    (site,) = topology.sites
    assert (site.region, site.electricity_usd_per_kwh) == ("gothenburg", 0.071)


def _block(start: str) -> str:
    return next(block for block in BLOCKS if block.startswith(start))


def test_every_command_of_the_page_works(tmp_path, monkeypatch):
    """The files and commands of the page, in its order, in an empty folder, as a reader would try them."""
    (tmp_path / "my-catalog.yaml").write_text("\n".join(_catalog_blocks()), encoding="utf-8")
    (tmp_path / "gothenburg.yaml").write_text(_block("name: gothenburg-room"), encoding="utf-8")
    (tmp_path / "scenario.yaml").write_text(_block("topology: gothenburg.yaml"), encoding="utf-8")
    (tmp_path / "models").symlink_to(EXAMPLE.parent / "models")
    monkeypatch.chdir(tmp_path)
    said = {}
    for arguments in COMMANDS:
        result = CliRunner().invoke(app, arguments, catch_exceptions=False)
        assert result.exit_code == 0, (arguments, result.output)
        said[" ".join(arguments[:4])] = result.output
    assert len(said) > 8
    assert "acme-x1" in said["catalog list accelerators --catalog"]
    assert '"host_w": 2700' in said["catalog show server acme-x1-8"]
    assert "8.03" in said["catalog show llm my-llm"]
    assert "sound" in said["topology check gothenburg.yaml --catalog"]
    assert (tmp_path / "gothenburg.svg").read_text(encoding="utf-8").startswith("<svg")
    assert "every row holds" in said["verify out"]


def test_the_page_lists_every_family():
    """The families of the page are the families of the code."""
    section = TEXT.split("### Model families")[1].split("###")[0]
    assert set(re.findall(r"`([a-z0-9_-]+)`", section)) - {"model_type"} == set(FAMILIES)
