"""bench/fleet.py: a router's time is measured with the routers that people run."""

import importlib.util

import pytest

from bench import fleet

ROUTERS = {"step 20": fleet.readers_router, "vllm-router": fleet.vllm_router}


@pytest.mark.parametrize("name", ROUTERS)
def test_cost(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Requests pass, and take some time of the router's."""
    if name == "vllm-router" and not importlib.util.find_spec("vllm_router"):
        pytest.skip("vllm-router is not installed")
    monkeypatch.setattr(fleet, "REQUESTS", 400)
    assert 0 < fleet.cost_of(ROUTERS[name]) < 1


def test_simulated() -> None:
    """Two workers write twice as much, until the router has no time left."""
    speeds = {1: 100.0, 32: 1000.0}
    one, two, busy = (
        fleet.simulated(speeds, workers, cost)
        for workers, cost in ((1, 0.0), (2, 0.0), (2, 0.1))
    )
    assert two == pytest.approx(2 * one, rel=0.05)
    # Ten requests a second, of 32 tokens each.
    assert busy == pytest.approx(320, rel=0.05)
