"""A shape counts its accelerators, names itself and says when its degrees make no replica."""

from planner.performance.shape import Shape


def test_a_replica_has_tp_times_pp_times_dp_accelerators() -> None:
    """Expert parallelism reuses the ranks of tensor and data parallelism."""
    shape = Shape("deepseek-r1", "h200-sxm", "sglang", tp=2, pp=2, dp=4, ep=8)
    assert shape.accelerators == 16


def test_names_of_different_shapes_differ() -> None:
    """Every field that changes what runs is in the name."""
    base = {"llm": "llama-3.1-8b", "accelerator": "h100-sxm", "engine": "vllm"}
    shapes = [
        Shape(**base),
        Shape(**base, tp=2),
        Shape(**base, pp=2),
        Shape(**base, dp=2),
        Shape(**base, tp=2, ep=2),
        Shape(**base, weights="fp8"),
        Shape(**base, kv_cache="fp8"),
        Shape(**base, role="prefill"),
        Shape(**base, power_cap_w=500.0),
    ]
    assert len({shape.name for shape in shapes}) == len(shapes)


def test_experts_must_divide_the_ranks() -> None:
    """Ep 3 does not divide tp 4: the fault says so."""
    assert "ep must divide" in Shape("a", "b", "c", tp=4, ep=3).faults()[0]
    assert not Shape("a", "b", "c", tp=4, ep=2).faults()
    assert "tp must be at least 1" in Shape("a", "b", "c", tp=0).faults()[0]
