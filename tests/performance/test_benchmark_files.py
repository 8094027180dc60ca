"""Result files of benchmark clients become rows with one meaning per column."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from planner.files import InputFaults
from planner.performance.benchmark_files import COLUMNS, read_benchmark
from planner.performance.measured import read_measured

DATA = Path(__file__).parent / "data" / "benchmarks"


def test_vllm_serve_result() -> None:
    """A closed loop of 32 requests; tensor parallelism and GPU come from --metadata."""
    row = read_benchmark(DATA / "vllm_serve.json").iloc[0]
    assert row["client"] == "vllm"
    assert row["llm"] == "meta-llama/Llama-3.3-70B-Instruct"
    assert (row["load"], row["concurrency"]) == ("closed", 32)
    assert (row["input_tokens"], row["output_tokens"]) == (1024, 512)
    assert (row["ttft_ms"], row["ttft_p50_ms"], row["ttft_p99_ms"]) == (310.5, 295.0, 720.25)
    assert (row["tpot_ms"], row["tpot_p99_ms"]) == (23.8, 26.4)
    assert row["output_tokens_per_s"] == 1310.72
    assert (row["tp"], row["accelerator"]) == (4, "h100-sxm")
    assert row["e2e_ms"] == pytest.approx(310.5 + 511 * 23.8)  # not printed: first token, then the others


def test_appended_vllm_results_are_a_row_each() -> None:
    """--append-result writes a document per line; at a rate, requests in flight follow from Little."""
    table = read_benchmark(DATA / "vllm_serve_appended.json")
    assert table["load"].tolist() == ["open", "open"]
    assert table["request_rate_rps"].tolist() == [1.0, 2.0]
    assert table["concurrency"].iloc[1] == pytest.approx(1.98 * (0.240 + 511 * 0.022))


def test_vllm_without_limit_sends_all_prompts_at_once(tmp_path: Path) -> None:
    """Without a rate or a limit every prompt is in flight."""
    document = json.loads((DATA / "vllm_serve.json").read_text())
    document["max_concurrency"] = None
    (tmp_path / "r.json").write_text(json.dumps(document))
    row = read_benchmark(tmp_path / "r.json").iloc[0]
    assert (row["load"], row["concurrency"]) == ("closed", 320)


def test_guidellm_report() -> None:
    """A row per benchmark that completed requests; its inter-token latency is our TPOT."""
    table = read_benchmark(DATA / "guidellm.json")
    assert table["load"].tolist() == ["closed", "closed", "open"]
    assert table["concurrency"].tolist() == [1.0, 16.0, 9.9]
    assert table["tpot_ms"].tolist() == [6.15, 8.7, 7.6]
    assert table["e2e_ms"].iloc[1] == pytest.approx(2300.0)
    assert table["ttft_p99_ms"].iloc[1] == pytest.approx(160.0)
    assert table["failures"].iloc[1] == 3
    assert set(table["llm"]) == {"Qwen/Qwen3-8B"}


def test_guidellm_table_agrees_with_its_report() -> None:
    """The CSV has three header rows and percentiles as text; it says the same as the JSON."""
    from_csv = read_benchmark(DATA / "guidellm_concurrent.csv").iloc[0]
    from_json = read_benchmark(DATA / "guidellm.json").iloc[1]
    for name in ("llm", "load", "requests", "ttft_ms", "ttft_p99_ms", "tpot_ms", "requests_per_s", "e2e_ms"):
        assert from_csv[name] == from_json[name], name
    assert from_csv["concurrency"] == pytest.approx(from_json["concurrency"], rel=0.02)


def test_aiperf_export() -> None:
    """Concurrency and model are in the settings that the export repeats."""
    row = read_benchmark(DATA / "profile_export_aiperf.json").iloc[0]
    assert (row["client"], row["llm"]) == ("genai-perf", "openai/gpt-oss-120b")
    assert (row["load"], row["concurrency"]) == ("closed", 16)
    assert (row["ttft_ms"], row["ttft_p95_ms"], row["tpot_ms"]) == (210.0, 360.0, 18.7)
    assert (row["requests"], row["failures"]) == (160, 2)


def test_genai_perf_export_and_table() -> None:
    """Thousands separators in the CSV, a request rate in the JSON; the same measurement."""
    from_json = read_benchmark(DATA / "profile_export_genai_perf.json").iloc[0]
    from_csv = read_benchmark(DATA / "genai_perf_table.csv").iloc[0]
    assert (from_json["load"], from_json["request_rate_rps"]) == ("open", 1.6)
    assert from_csv["ttft_ms"] == from_json["ttft_ms"] == 1146.31
    assert from_csv["tpot_p99_ms"] == from_json["tpot_p99_ms"] == 35.23
    assert from_csv["concurrency"] == pytest.approx(1.5 * 6.4062)


def test_nanoseconds_and_seconds_become_milliseconds(tmp_path: Path) -> None:
    """AIPerf states the unit of each metric."""
    document = json.loads((DATA / "profile_export_aiperf.json").read_text())
    document["time_to_first_token"] = {"unit": "ns", "avg": 210e6, "p50": 190e6}
    document["request_latency"] = {"unit": "sec", "avg": 4.98}
    (tmp_path / "r.json").write_text(json.dumps(document))
    row = read_benchmark(tmp_path / "r.json").iloc[0]
    assert row["ttft_ms"] == pytest.approx(210.0)
    assert row["ttft_p50_ms"] == pytest.approx(190.0)
    assert row["e2e_ms"] == pytest.approx(4980.0)


def test_inference_perf_stages_in_a_folder() -> None:
    """Seconds become milliseconds; a stage without streaming has no TTFT; other files are passed over."""
    table = read_benchmark(DATA / "inference-perf", llm="llama-3.1-8b")
    assert table["request_rate_rps"].tolist() == [2.0, 129.78]
    assert table["ttft_ms"].iloc[0] == pytest.approx(200.0)
    assert table["tpot_p99_ms"].iloc[0] == pytest.approx(52.0)
    assert np.isnan(table["ttft_ms"].iloc[1])
    assert table["output_tokens_per_s"].iloc[1] == pytest.approx(4825.52)
    assert set(table["llm"]) == {"llama-3.1-8b"}


def test_a_folder_takes_each_measurement_once(tmp_path: Path) -> None:
    """A client that writes JSON and CSV of one name is read once."""
    shutil.copy(DATA / "profile_export_genai_perf.json", tmp_path)
    shutil.copy(DATA / "genai_perf_table.csv", tmp_path / "profile_export_genai_perf.csv")
    assert len(read_benchmark(tmp_path)) == 1


def test_every_file_has_the_same_columns() -> None:
    """Whatever a client leaves out is empty, never absent."""
    for item in sorted(DATA.rglob("*")):
        if item.is_file() and item.name != "config.json":
            table = read_benchmark(item)
            assert list(table.columns[: len(COLUMNS)]) == list(COLUMNS)
            assert (table["requests_per_s"] > 0).all()


def test_rows_can_be_compared_with_estimates() -> None:
    """With what only the user knows beside them, rows are measurements for `planner estimate --compare`."""
    table = read_benchmark(DATA / "vllm_serve.json", llm="llama-3.3-70b", engine="vllm", weights="bf16")
    measured = read_measured(table)
    assert measured["measured_tpot_ms"].iloc[0] == 23.8
    assert measured["accelerator"].iloc[0] == "h100-sxm"
    assert measured["tp"].iloc[0] == 4


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.json", '{"hello": 1}', "fields hello"),
        ("a.json", "{broken", "no JSON"),
        ("a.json", "[1, 2]", "a list"),
        ("a.csv", "model,rate\nx,1\n", "columns model, rate"),
    ],
)
def test_a_file_of_nobody_is_refused(tmp_path: Path, name: str, text: str, said: str) -> None:
    """The answer says what was found and which clients are understood."""
    (tmp_path / name).write_text(text)
    with pytest.raises(InputFaults) as caught:
        read_benchmark(tmp_path / name)
    assert said in str(caught.value)
    assert "vllm bench serve" in str(caught.value)


def test_missing_file_empty_folder_and_unknown_label(tmp_path: Path) -> None:
    """All three are faults of the input."""
    for path in (tmp_path / "none.json", tmp_path):
        with pytest.raises(InputFaults):
            read_benchmark(path)
    with pytest.raises(InputFaults, match="an unknown label"):
        read_benchmark(DATA / "vllm_serve.json", colour="red")


def test_a_run_in_which_nothing_completed_is_refused(tmp_path: Path) -> None:
    """Zero completed requests are no measurement."""
    document = json.loads((DATA / "vllm_serve.json").read_text())
    document["completed"] = 0
    (tmp_path / "r.json").write_text(json.dumps(document))
    with pytest.raises(InputFaults, match="no completed request"):
        read_benchmark(tmp_path / "r.json")
