"""How tokens spread over experts: which experts a step touches, and the slowest rank."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from planner.performance.types import Array

# Expert popularity follows a power law; NVIDIA's kernel tables measure alpha 0 (balanced), 1.01 and
# 1.2 (AIConfigurator 0.12, moe tables), served traffic lies between balanced and 1.
DEFAULT_EXPERT_SKEW = 0.4
# Nodes of the tabulated curve: tokens = 2**node.
CURVE_NODES = 25


@lru_cache(maxsize=4096)
def popularity(experts: int, skew: float) -> Array:
    """Return the share of routed tokens of each expert, shape (experts,), most popular first."""
    weights = np.arange(1, experts + 1, dtype=float) ** -skew
    shares: Array = weights / weights.sum()
    return shares


@lru_cache(maxsize=4096)
def active_share_curve(experts: int, per_token: int, skew: float) -> Array:
    """Return the expected share of experts touched by 2**node tokens, shape (CURVE_NODES,).

    Each token picks ``per_token`` experts; expert i is missed by one token with probability
    1 - min(1, per_token * share_i), and tokens are independent.
    """
    hit = np.minimum(per_token * popularity(experts, skew), 1.0)
    tokens = 2.0 ** np.arange(CURVE_NODES)
    with np.errstate(divide="ignore"):
        missed = np.exp(tokens[:, None] * np.log1p(-np.minimum(hit, 1 - 1e-12))[None, :])
    touched: Array = (1.0 - missed).mean(axis=1)
    return touched


def active_share(curve: Array, tokens: Array) -> Array:
    """Interpolate ``curve`` (..., CURVE_NODES) at ``tokens``; below one token it is linear.

    Linear in tokens between nodes, so that the concave curve stays concave: a larger batch never
    touches more experts per token.
    """
    inside = np.clip(tokens, 1.0, 2.0 ** (CURVE_NODES - 1))
    low = np.minimum(np.log2(inside).astype(np.int64), CURVE_NODES - 2)
    fraction = inside / 2.0**low - 1.0
    shape = np.broadcast_shapes(curve.shape[:-1], low.shape)
    table = np.broadcast_to(curve, (*shape, CURVE_NODES))
    index = np.broadcast_to(low, shape)[..., None]
    below = np.take_along_axis(table, index, axis=-1)[..., 0]
    above = np.take_along_axis(table, index + 1, axis=-1)[..., 0]
    result: Array = (below + fraction * (above - below)) * np.minimum(tokens, 1.0)
    return result


@lru_cache(maxsize=4096)
def rank_imbalance(experts: int, ranks: int, skew: float) -> float:
    """Return the load of the busiest expert-parallel rank over the mean, at least 1.

    Experts are dealt to ranks in a fixed pseudo-random order, as a router without redundant
    experts does; the mean over several deals is taken.
    """
    if ranks <= 1 or skew <= 0:
        return 1.0
    random = np.random.default_rng(0)
    shares = popularity(experts, skew)
    usable = experts - experts % ranks if experts >= ranks else experts
    worst = []
    for _ in range(16):
        dealt = random.permutation(shares)[:usable]
        worst.append(dealt.reshape(ranks, -1).sum(axis=1).max() if usable >= ranks else 0.0)
    return max(1.0, float(np.mean(worst)) * ranks)
