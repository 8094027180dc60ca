"""The command line as a user meets it: files, exit codes, and messages with file, line and field."""

import json
import subprocess
import sys

import pytest

from tests.plan.questions import SMALL, changed


def run(*arguments, folder):
    """Run the planner in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "planner.cli", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture(scope="module")
def solved(tmp_path_factory):
    """A folder with a solved small scenario."""
    folder = tmp_path_factory.mktemp("solved")
    (folder / "small.json").write_text(json.dumps(SMALL))
    result = run("solve", "small.json", "-o", "answer", folder=folder)
    assert result.returncode == 0, result.stderr
    return folder


def test_solve_writes_plan_report_and_tables(solved):
    """Everything the design promises is there."""
    answer = solved / "answer"
    assert json.loads((answer / "plan.json").read_text())["status"] == "optimal"
    page = (answer / "report.html").read_text()
    assert "<html" in page
    assert "What holds it back" in page
    assert json.loads((answer / "timings.json").read_text())["performance_model"]
    assert {path.name for path in (answer / "tables").iterdir()} >= {"servers.csv", "routes.csv", "cost.csv"}


def test_a_plan_without_its_timings_is_explained_alike(solved, tmp_path):
    """The file beside the plan saves time, nothing else."""
    kept = run("explain", "answer", "--whole", "0", "--json", folder=solved)
    (tmp_path / "plan.json").write_bytes((solved / "answer" / "plan.json").read_bytes())
    alone = run("explain", "plan.json", "--whole", "0", "--json", folder=tmp_path)
    assert kept.returncode == alone.returncode == 0
    first, second = json.loads(kept.stdout), json.loads(alone.stdout)
    assert first | {"seconds": 0} == second | {"seconds": 0}


def test_an_origin_that_no_site_reaches_is_bad_input_with_the_best_that_is_reached(tmp_path):
    """Light alone takes longer than the promise: file, line, field, and the time it needs."""
    far = changed()
    far["workloads"][0] |= {"origins": {"australiaeast": 1.0}, "slo": {"ttft_ms": 100}}
    (tmp_path / "far.json").write_text(json.dumps(far, indent=1))
    result = run("solve", "far.json", "-o", "answer", folder=tmp_path)
    assert result.returncode == 2
    line = next(n for n, text in enumerate(json.dumps(far, indent=1).splitlines(), 1) if "ttft_ms" in text)
    assert f"far.json:{line}: workloads.chat.slo.ttft_ms: found 100 ms" in result.stderr
    assert "ms from australiaeast to the nearest site" in result.stderr


def test_verify_exits_zero_on_a_plan_and_one_on_a_changed_one(solved):
    """A plan holds; with one rate changed the row is printed and the exit code is 1."""
    assert run("verify", "answer", folder=solved).returncode == 0
    data = json.loads((solved / "answer" / "plan.json").read_text())
    data["routes"][0]["units"] -= 1
    (solved / "changed.json").write_text(json.dumps(data))
    result = run("verify", "changed.json", folder=solved)
    assert result.returncode == 1
    assert "demand/chat/" in result.stdout


def test_a_question_without_answer_exits_three_and_writes_why(tmp_path):
    """infeasible.json carries the conflict and the ways out."""
    (tmp_path / "poor.json").write_text(json.dumps(changed(limits={"capex_usd": 400_000})))
    result = run("solve", "poor.json", "-o", "answer", folder=tmp_path)
    assert result.returncode == 3
    found = json.loads((tmp_path / "answer" / "infeasible.json").read_text())
    assert "budget/capex" in {row["row"] for row in found["conflict"]}
    assert {"row", "file", "line", "text"} <= set(found["conflict"][0])
    assert {"row", "from", "to", "unit"} == set(found["relaxations"][0]["changes"][0])
    assert "budget/capex" in result.stderr


SCENARIO = """\
name: broken
topology: single-rack-h100
workloads:
  - name: chat
    llms: [{llm}]
    origins: {origins}
    rate_rps: {rate}
    input_tokens: 1000
    output_tokens: 200
    slo: {{ttft_ms: {ttft}, tpot_ms: 50}}
"""

GOOD = {"llm": "llama-3.1-8b", "origins": "{eastus: 1.0}", "rate": "1", "ttft": "2000"}

BROKEN = {
    "an unknown model": ({"llm": "lama-3.1-8b"}, 5, "llama-3.1-8b"),
    "a negative rate": ({"rate": "-1"}, 7, "rate_rps"),
    "shares that do not sum to 1": ({"origins": "{eastus: 0.5}"}, 6, "sum to"),
    "an SLO below the speed of light": ({"origins": "{japaneast: 1.0}", "ttft": "20"}, 10, "ttft_ms"),
    "an unknown region": ({"origins": "{easteros: 1.0}"}, 6, "easteros"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_wrong_input_is_answered_with_file_line_and_field(name, tmp_path):
    """One clear message, exit code 2, no traceback."""
    fields, line, word = BROKEN[name]
    (tmp_path / "s.yaml").write_text(SCENARIO.format(**{**GOOD, **fields}))
    result = run("solve", "s.yaml", "-o", "answer", folder=tmp_path)
    assert result.returncode == 2, result.stdout + result.stderr
    assert f"s.yaml:{line}" in result.stderr
    assert word in result.stderr
    assert "Traceback" not in result.stderr
    assert not (tmp_path / "answer").exists()


def test_all_faults_of_a_file_are_told_together(tmp_path):
    """Two mistakes, two messages."""
    text = SCENARIO.format(**{**GOOD, "llm": "lama-3.1-8b", "rate": "-1"})
    (tmp_path / "s.yaml").write_text(text)
    result = run("solve", "s.yaml", "-o", "answer", folder=tmp_path)
    assert "s.yaml:5" in result.stderr
    assert "s.yaml:7" in result.stderr


def test_a_missing_file_and_a_typo_of_yaml_are_told(tmp_path):
    """Neither is a traceback."""
    missing = run("solve", "nothing.yaml", "-o", "answer", folder=tmp_path)
    assert (missing.returncode, "nothing.yaml" in missing.stderr) == (2, True)
    (tmp_path / "typo.yaml").write_text("name: x\nworkloads: [a\ntopology: b\n")
    typo = run("solve", "typo.yaml", "-o", "answer", folder=tmp_path)
    assert typo.returncode == 2
    assert "typo.yaml:" in typo.stderr
    assert "Traceback" not in typo.stderr


def test_a_rack_on_a_feed_that_does_not_exist_is_told(tmp_path):
    """The topology's own faults reach the user of the scenario."""
    question = changed()
    question["topology"]["sites"][0]["racks"][0]["feeds"] = ["A", "C"]
    (tmp_path / "s.json").write_text(json.dumps(question, indent=1))
    result = run("solve", "s.json", "-o", "answer", folder=tmp_path)
    assert result.returncode == 2
    assert "feeds" in result.stderr
    assert "'C'" in result.stderr


def test_estimate_answers_every_row_in_order(tmp_path):
    """A bad row keeps its place and says why."""
    (tmp_path / "in.csv").write_text(
        "llm,accelerator,engine,weights,kv_cache,tp,pp,dp,ep,input_tokens,output_tokens,concurrency\n"
        "llama-3.1-8b,h100-sxm,vllm,bf16,,1,1,1,1,1000,200,16\n"
        "no-such-model,h100-sxm,vllm,bf16,,1,1,1,1,1000,200,16\n"
        "llama-3.1-405b,l4,vllm,bf16,,1,1,1,1,1000,200,1\n"
    )
    result = run("estimate", "--points", "in.csv", "-o", "out.csv", folder=tmp_path)
    assert result.returncode == 0, result.stderr
    lines = (tmp_path / "out.csv").read_text().splitlines()
    assert len(lines) == 4
    header = lines[0].split(",")
    assert {"ttft_ms", "tpot_ms", "fits", "provider", "error"} <= set(header)
    assert lines[1].split(",")[header.index("fits")].lower() == "true"
    assert "no-such-model" in lines[2]
    assert lines[3].split(",")[header.index("fits")].lower() == "false"


BAD_POINTS = {
    "text for a degree": ("x", "1", "1000", "16", "whole numbers"),
    "heads that do not divide": ("3", "1", "1000", "16", "attention heads"),
    "more stages than layers": ("1", "100", "1000", "16", "layers"),
    "an endless prompt": ("1", "1", "inf", "16", "input_tokens"),
    "no concurrency": ("1", "1", "1000", "0", "concurrency"),
}


@pytest.mark.parametrize("name", BAD_POINTS)
def test_estimate_refuses_what_cannot_be_with_a_reason(name, tmp_path):
    """The row stays, without numbers, and says what is wrong."""
    tp, pp, tokens, clients, word = BAD_POINTS[name]
    (tmp_path / "in.csv").write_text(
        "llm,accelerator,engine,weights,kv_cache,tp,pp,dp,ep,input_tokens,output_tokens,concurrency\n"
        f"llama-3.1-8b,h100-sxm,vllm,bf16,,{tp},{pp},1,1,{tokens},200,{clients}\n"
    )
    assert run("estimate", "--points", "in.csv", "-o", "out.csv", folder=tmp_path).returncode == 0
    header, row = (line.split(",") for line in (tmp_path / "out.csv").read_text().splitlines())
    assert word in ",".join(row)
    assert row[header.index("tpot_ms")] == ""


def test_doctor_and_catalog_answer(tmp_path):
    """The environment is sound and the catalog can be listed as JSON."""
    assert run("doctor", folder=tmp_path).returncode == 0
    result = run("catalog", "list", "accelerators", "--json", folder=tmp_path)
    assert {"h100-sxm", "mi355x"} <= {row["id"] for row in json.loads(result.stdout)}
    unknown = run("catalog", "show", "accelerators", "h1000", folder=tmp_path)
    assert unknown.returncode == 2
