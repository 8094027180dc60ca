"""Which experts a step touches, and how uneven ranks are."""

import numpy as np
import pytest

from planner.performance.experts import active_share, active_share_curve, rank_imbalance


def test_one_token_touches_exactly_its_experts() -> None:
    """One token with 8 of 256 experts touches 8/256 whatever the skew."""
    for skew in (0.0, 0.5):
        assert active_share_curve(256, 8, skew)[0] == pytest.approx(8 / 256, rel=0.02)


def test_balanced_routing_follows_the_closed_form() -> None:
    """E (1 - (1 - k/E)^M) experts are touched by M tokens."""
    curve = active_share_curve(128, 8, 0.0)
    for node in range(8):
        assert curve[node] == pytest.approx(1 - (1 - 8 / 128) ** (2**node))


def test_skewed_routing_touches_fewer_experts() -> None:
    """Popular experts are hit again and again."""
    assert active_share_curve(256, 8, 1.2)[5] < active_share_curve(256, 8, 0.0)[5]


def test_interpolation_is_monotone_and_starts_at_zero() -> None:
    """No token touches nothing; more tokens never touch fewer experts."""
    curve = active_share_curve(64, 4, 0.4)
    shares = active_share(curve, np.linspace(0, 3000, 500))
    assert shares[0] == 0
    assert np.all(np.diff(shares) >= 0)


def test_the_busiest_rank_grows_with_skew_and_ranks() -> None:
    """One rank is balanced by definition; skew and more ranks make the worst rank worse."""
    assert rank_imbalance(256, 1, 1.0) == 1.0
    assert rank_imbalance(256, 8, 0.0) == 1.0
    assert 1.0 < rank_imbalance(256, 8, 0.4) < rank_imbalance(256, 8, 1.2)
    assert rank_imbalance(256, 8, 0.8) < rank_imbalance(256, 64, 0.8)
