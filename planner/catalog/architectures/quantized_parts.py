"""Which parts of a model the module names of a quantization section stand for.

Sections name modules (`model.layers.7.mlp.experts.0.up_proj`), one by one or by patterns; a planner asks
for parts: attention, dense, routed and shared feed-forward. A part is what most of its weights are.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import translate

from planner.catalog.llm import LayerGroup

Lookup = Callable[[str], str | None]
"""The precision of a module by its name, None where the section does not name it."""

_PREFIXES = (
    "model.layers",
    "model.language_model.layers",
    "language_model.model.layers",
    "backbone.layers",
)

# Names of the modules that stand for a part, with what they are called in other implementations.
_MIXERS: dict[str, tuple[tuple[str, ...], ...]] = {
    "full": tuple((f"self_attn.{name}_proj", f"mixer.{name}_proj") for name in "qkvo"),
    "mla": (
        ("self_attn.q_a_proj", "self_attn.q_proj"),
        ("self_attn.q_b_proj", "self_attn.q_proj"),
        ("self_attn.kv_a_proj_with_mqa",),
        ("self_attn.kv_b_proj",),
        ("self_attn.o_proj",),
    ),
    "linear": (
        ("linear_attn.in_proj_qkv", "linear_attn.in_proj_qkvz", "mixer.in_proj"),
        ("linear_attn.out_proj", "mixer.out_proj"),
    ),
}
_DENSE = tuple(
    (f"mlp.{name}_proj", f"feed_forward.{name}_proj", f"mixer.{name}_proj") for name in ("gate", "up", "down")
)
_ROUTED = (
    (
        "mlp.experts.0.up_proj",
        "mlp.experts.gate_up_proj",
        "block_sparse_moe.experts.0.w1",
        "feed_forward.experts.gate_up_proj",
        "mixer.experts.0.up_proj",
        "ffn.experts.0",
    ),
)
_SHARED = (
    (
        "mlp.shared_experts.up_proj",
        "mlp.shared_expert.up_proj",
        "block_sparse_moe.shared_experts.up_proj",
        "feed_forward.shared_expert.up_proj",
        "mixer.shared_experts.up_proj",
    ),
)

# Gemma 4 calls the part that every token visits `mlp` and keeps the experts beside it.
_BESIDE_EXPERTS = ("gemma4", "gemma4_text")
_ROUTED_BESIDE = (("experts.0.up_proj", "experts.gate_up_proj"),)
_SHARED_BESIDE = (("mlp.up_proj",),)


@dataclass(frozen=True)
class _Role:
    """A part in layers of one kind: how many layers, how many weights, which modules."""

    part: str
    layers: int
    weights: int
    modules: tuple[tuple[str, ...], ...]


def _roles(groups: Sequence[LayerGroup], family: str) -> Iterator[_Role]:
    """Yield every quantizable part of a model, by kind of layer."""
    for kind, modules in _MIXERS.items():
        kinds = ("full", "sliding") if kind == "full" else (kind,)
        own = [g for g in groups if g.attention.kind in kinds and g.attention.parameters]
        yield _role("attention", own, [g.attention.parameters for g in own], modules)
    dense = [g for g in groups if g.feed_forward.kind == "dense"]
    yield _role("dense_ffn", dense, [g.feed_forward.parameters for g in dense], _DENSE)
    beside = family in _BESIDE_EXPERTS
    moe = [g for g in groups if g.feed_forward.kind == "moe"]
    routed = _ROUTED_BESIDE if beside else _ROUTED
    yield _role("routed_experts", moe, [g.feed_forward.routed_parameters for g in moe], routed)
    shared = _SHARED_BESIDE if beside else _SHARED
    yield _role("shared_experts", moe, [g.feed_forward.shared_parameters for g in moe], shared)


def _role(
    part: str, groups: Sequence[LayerGroup], weights: Sequence[int], modules: tuple[tuple[str, ...], ...]
) -> _Role:
    total = sum(group.count * weight for group, weight in zip(groups, weights, strict=True))
    return _Role(part, sum(group.count for group in groups), total, modules)


def precision_by_part(
    lookup: Lookup, rest: str, groups: Sequence[LayerGroup], family: str
) -> dict[str, tuple[str, int]]:
    """Return the precision of most weights of every part, and how many weights the part has.

    `rest` is the precision of modules that `lookup` does not name.
    """
    depth = sum(group.count for group in groups)
    votes: dict[str, Counter[str]] = {}
    sizes: Counter[str] = Counter()
    for role in _roles(groups, family):
        if not role.weights:
            continue
        sizes[role.part] += role.weights
        tally = votes.setdefault(role.part, Counter())
        for names in role.modules:
            # Layers of other kinds may be named too (by patterns), but no more count than there are.
            named = Counter(filter(None, (_found(lookup, names, layer) for layer in range(depth))))
            left = role.layers
            share = role.weights // (len(role.modules) * role.layers)
            for precision, hits in named.most_common():
                tally[precision] += min(hits, left) * share
                left -= min(hits, left)
            tally[rest] += left * share
    return {part: (tally.most_common(1)[0][0], sizes[part]) for part, tally in votes.items()}


def _found(lookup: Lookup, names: tuple[str, ...], layer: int) -> str | None:
    """Return the precision of a module of a layer under any of its names."""
    for prefix in _PREFIXES:
        for name in names:
            found = lookup(f"{prefix}.{layer}.{name}")
            if found is not None:
                return found
    return None


def _ancestors(name: str) -> Iterator[str]:
    """Yield a module's name and those of the modules around it."""
    while name:
        yield name
        name = name.rpartition(".")[0]


def named_precision(by_name: Mapping[str, str]) -> Lookup:
    """Return a lookup among modules that are listed with their precision, one by one."""

    def lookup(name: str) -> str | None:
        return next((by_name[outer] for outer in _ancestors(name) if outer in by_name), None)

    return lookup


def left_out(patterns: Iterable[str]) -> Lookup:
    """Return a lookup that knows the modules that `patterns` leave in bf16.

    Patterns are `re:` expressions, shell patterns, or names of modules.
    """
    exact: set[str] = set()
    expressions: list[str] = []
    for pattern in patterns:
        if pattern.startswith("re:"):
            expressions.append(f"(?:{pattern[3:]})")
        elif "*" in pattern:
            expressions += [translate(pattern), translate(pattern + ".*")]
        else:
            exact.add(pattern)
    matcher = re.compile("|".join(expressions)) if expressions else None

    def lookup(name: str) -> str | None:
        outside = not exact.isdisjoint(_ancestors(name)) or (matcher is not None and matcher.match(name))
        return "bf16" if outside else None

    return lookup
