"""What drafted tokens are worth."""

import pytest

from planner.performance.speculation import accepted_tokens


def test_nothing_drafted_yields_one_token() -> None:
    """Plain decoding."""
    assert accepted_tokens(0, 0.8) == pytest.approx(1.0)


def test_the_yield_is_the_geometric_sum() -> None:
    """3 drafts at 0.5: 1 + 0.5 + 0.25 + 0.125."""
    assert accepted_tokens(3, 0.5) == pytest.approx(1.875)


def test_certain_acceptance_yields_all() -> None:
    """3 drafts, never rejected: 4 tokens a step; never accepted: 1."""
    assert accepted_tokens(3, 1.0) == pytest.approx(4.0)
    assert accepted_tokens(3, 0.0) == pytest.approx(1.0)
