"""Running statistics of a site: equal to those of all rows at once, whatever the batches."""

from __future__ import annotations

import numpy as np
import pytest

import rectifier as rf
from rectifier.repair.statistics import Histogram, SiteStatistics, unit_rows


def site(name: str, z: np.ndarray, cuts: tuple[int, ...] = (7, 400)) -> SiteStatistics:
    activation = rf.get(name)
    seen = SiteStatistics(activation, z.shape[1])
    for rows in np.split(z, cuts):
        seen.update(rows, np.asarray(activation(rows)))
    return seen


@pytest.fixture
def z() -> np.ndarray:
    return np.random.default_rng(0).normal(0.3, 2, (1_000, 12)).astype(np.float32)


def test_moments_do_not_depend_on_the_batches(z):
    seen, y = site("gelu", z), np.asarray(rf.gelu(z), np.float64)
    np.testing.assert_allclose(seen.z_mean, z.mean(0, dtype=np.float64), rtol=1e-6)
    np.testing.assert_allclose(seen.y_sd, y.std(0), rtol=1e-5)
    r = [np.corrcoef(z[:, k], y[:, k])[0, 1] for k in range(12)]
    np.testing.assert_allclose(seen.nonlinearity, 1 - np.square(r), rtol=1e-4)
    values = np.linalg.svd(y - y.mean(0), compute_uv=False)
    shares = values / values.sum()
    assert seen.rank.effective() == pytest.approx(np.exp(-(shares * np.log(shares)).sum()))


@pytest.mark.parametrize(
    ("name", "shift", "state"),
    [
        ("relu", -50, "dead"),
        ("relu", 50, "linear"),
        ("leaky_relu", -50, "linear"),
        ("elu", -50, "dead"),
        ("tanh", 50, "saturated"),
        ("sigmoid", -50, "saturated"),
        ("relu6", 50, "saturated"),
        ("relu6", -50, "dead"),
        ("gelu", -50, "dead"),
    ],
)
def test_a_shifted_unit_is_what_it_is(name, shift, state, z):
    moved = z.copy()
    moved[:, 3] += shift
    seen = site(name, moved)
    states = {s: getattr(seen, s) for s in ("dead", "saturated", "linear")}
    assert [s for s, units in states.items() if units[3]] == [state]
    assert not np.delete(states[state], 3).any()


def test_negative_gelus_are_not_dead(z):
    assert not site("gelu", z - 2).dead.any()


def test_dead_needs_99_of_100_rows():
    z = np.full((1_000, 2), -1.0, np.float32)
    z[:10, 0] = z[:11, 1] = 1
    assert site("relu", z).dead.tolist() == [True, False]


def test_values_that_are_no_numbers_are_counted_and_left_out():
    z = np.ones((100, 3), np.float32)
    z[:4, 1], z[5, 2] = np.nan, np.inf
    seen = site("relu", z, (50,))
    assert seen.nonfinite.tolist() == [0, 4, 1]
    assert np.isfinite(seen.y_mean).all()


def test_histograms_grow_exactly_and_lose_nothing():
    draws = [np.random.default_rng(abs(k)).normal(0, 10.0**k, 500) for k in (-2, 1, 3, 0)]
    forward, backward = Histogram(), Histogram()
    for values in draws:
        forward.update(values)
    for values in draws[::-1]:
        backward.update(values)
    assert forward.counts.tolist() == backward.counts.tolist()
    assert forward.counts.sum() == 2_000
    expected, _ = np.histogram(np.concatenate(draws), forward.edges)
    assert forward.counts.tolist() == expected.tolist()


def test_units_are_the_axis_that_is_named():
    x = np.arange(2 * 3 * 4.0).reshape(2, 3, 4)
    assert unit_rows(x, 1).tolist() == x.transpose(0, 2, 1).reshape(-1, 3).tolist()
    assert unit_rows(np.float16([1, 2])).dtype == np.float32
