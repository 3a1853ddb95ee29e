"""Intervals, shrinkage and variance shares: known answers, known truths, and what must not move.

Longer simulations are in benchmarks/statistics_simulation.py; their figures in docs/statistics.md.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from rectifier.study.judge.shrinkage import Family, find_bulk
from rectifier.study.judge.statistics import (
    ONE_SEED,
    Scores,
    detectable_difference,
    difference_interval,
    error_left,
    holm,
    mean_interval,
    seeds_needed,
)
from rectifier.study.judge.variation import variation

METHODS = ("crossed-corrected", "crossed", "nadeau-bengio", "t", "rows")
# Each in the world it is right for: runs independent, or a fifth of their variance the table's.
WORLDS_OF = (("crossed", 0.0), ("crossed-corrected", 0.2))


def study(rng, level, rows=100, seeds=10, run=0.1, odd=0.3, noise=0.3, hits=False, overlap=0.0):
    """Scores with known truth ``level[activation]``: shared rows, odd rows, run luck, noise.

    ``overlap`` is the share of the run variance that all runs on the table have in common.
    """
    count = len(level)
    margin = rng.normal(size=rows) + rng.normal(scale=odd, size=(count, rows)) + level[:, None]
    if overlap:
        margin += rng.normal(scale=run * np.sqrt(overlap), size=(count, 1))
    tested, parts = [], []
    for seed in range(seeds):
        if seed % 5 == 0:
            folds = np.array_split(rng.permutation(rows), 5)
        fold = folds[seed % 5]
        part = margin[:, fold] + rng.normal(scale=noise, size=(count, len(fold)))
        part = part + rng.normal(scale=run * np.sqrt(1 - overlap), size=(count, 1))
        tested.append(fold)
        parts.append((part > 0).astype(float) if hits else part)
    return Scores.build([f"f{i}" for i in range(count)], tested, parts, rows)


# --- intervals --------------------------------------------------------------------------------


def test_five_folds_with_run_luck_are_a_t_test_over_folds():
    """With one repetition, rows and excess of runs add up to the variance between folds."""
    scores = study(np.random.default_rng(0), np.zeros(2), rows=2000, seeds=5, run=1.0)
    crossed = difference_interval(scores, "f1", "f0", "crossed")
    fold = scores.scores[1] - scores.scores[0]
    plain = stats.ttest_1samp(fold, 0.0)
    assert crossed.estimate == pytest.approx(fold.mean())
    assert crossed.std_error == pytest.approx(fold.std(ddof=1) / np.sqrt(5), rel=0.01)
    assert crossed.p_value == pytest.approx(plain.pvalue, rel=0.05)
    t = difference_interval(scores, "f1", "f0", "t")
    assert t.p_value == pytest.approx(plain.pvalue)


def test_nadeau_bengio_by_hand():
    scores = study(np.random.default_rng(1), np.array([0.0, 0.1]))
    difference = scores.scores[1] - scores.scores[0]
    error = np.sqrt((1 / 10 + 1 / 4) * difference.var(ddof=1))
    found = difference_interval(scores, "f1", "f0", "nadeau-bengio")
    assert found.std_error == pytest.approx(error)
    assert found.high == pytest.approx(difference.mean() + stats.t.ppf(0.975, 9) * error)


def test_the_correction_by_hand():
    """The runs' part counts 1/K + 1/4 instead of 1/K; estimate and degrees of freedom stay."""
    scores = study(np.random.default_rng(1), np.array([0.0, 0.1]), run=0.5)
    plain, corrected = (difference_interval(scores, "f1", "f0", m) for m in METHODS[1::-1])
    assert corrected.run_variance == pytest.approx(3.5 * plain.run_variance)
    assert corrected.row_variance == plain.row_variance
    assert corrected.std_error**2 == pytest.approx(plain.row_variance + 3.5 * plain.run_variance)
    assert (corrected.df, corrected.estimate) == (plain.df, plain.estimate)
    assert plain.run_variance > 0


def test_luck_of_the_table_is_covered():
    """A fifth of the run variance common to all runs: "crossed" is too sure, corrected is not."""
    rng, held = np.random.default_rng(14), dict.fromkeys(METHODS, 0)
    for _ in range(400):
        scores = study(rng, np.zeros(2), rows=60, run=1.0, overlap=0.2)
        for method in METHODS:
            found = difference_interval(scores, "f1", "f0", method)
            held[method] += found.low <= 0 <= found.high
    assert held["crossed-corrected"] >= 0.93 * 400, held
    assert held["crossed"] < 0.8 * 400, held


def test_rows_tested_twice_are_one_row():
    """Two identical repetitions know no more of the rows than one."""
    once = study(np.random.default_rng(2), np.zeros(2), seeds=5, run=0.0)
    twice = Scores.build(once.activations, once.rows * 2, once.contributions * 2, once.table_rows)
    one, two = (difference_interval(s, "f1", "f0", "rows") for s in (once, twice))
    assert two.row_variance == pytest.approx(one.row_variance)


@pytest.mark.parametrize("hits", [False, True])
@pytest.mark.parametrize("seeds", [3, 5, 7, 10])
def test_coverage(seeds, hits):
    """Of 400 intervals, 91 % at least hold the truth (0.95 less three standard errors)."""
    rng = np.random.default_rng([seeds, hits])
    held = dict.fromkeys(METHODS, 0)
    for _ in range(400):
        scores = study(rng, np.full(2, 1.0), rows=60, seeds=seeds, run=0.25, hits=hits)
        for method in METHODS:
            found = difference_interval(scores, "f1", "f0", method, row_step=float(hits))
            held[method] += found.low <= 0 <= found.high
    assert held["crossed"] >= 0.915 * 400, held
    assert held["crossed-corrected"] >= held["crossed"]
    assert held["nadeau-bengio"] >= 0.915 * 400, held
    if not hits:
        assert held["rows"] < 0.9 * 400, held  # the test can fail: run luck is there to be missed


def test_one_seed_claims_nothing():
    scores = study(np.random.default_rng(3), np.array([0.0, 9.0]), seeds=1)
    found = difference_interval(scores, "f1", "f0")
    assert found.note == ONE_SEED
    assert found.p_value == 1.0
    assert np.isnan([found.low, found.high]).all()
    assert np.isnan(Family.of(scores).against(0).expected_gain).all()
    assert seeds_needed(scores, "f1", "f0", 9.0) is None
    assert np.isnan(detectable_difference(found))


def test_exact_ties():
    rows = [np.arange(k, 50, 5) for k in range(5)]
    scores = Scores.build(["a", "b"], rows, [np.ones((2, 10))] * 5, 50)
    smooth = difference_interval(scores, "b", "a")
    assert (smooth.low, smooth.high, smooth.p_value) == (0.0, 0.0, 1.0)
    hits = difference_interval(scores, "b", "a", row_step=1.0)
    # "No row of 50 differed" leaves room for some 3.7 in 50 (exact, two-sided); ours is 4.3.
    assert hits.high == pytest.approx(stats.t.ppf(0.975, 2.04) / 50, rel=0.01)
    belief = Family.of(scores, row_step=1.0).against(0)
    assert belief.expected_gain.tolist() == pytest.approx([0.0, 0.0])
    assert belief.probability_better.tolist() == pytest.approx([0.5, 0.5])


@pytest.mark.parametrize("wins", [4, 6, 8, 12])
def test_few_rows_that_differ_are_judged_as_the_sign_test_does(wins):
    rows = [np.arange(k, 100, 5) for k in range(5)]
    right = (np.arange(100) < wins).astype(float)
    parts = [np.stack([np.zeros(20), right[fold]]) for fold in rows]
    found = difference_interval(Scores.build(["a", "b"], rows, parts, 100), "b", "a", "rows")
    exact = stats.binomtest(wins, wins).pvalue
    assert exact / 1.3 <= found.p_value <= 6 * exact


def test_mean_interval_is_binomial():
    rng = np.random.default_rng(4)
    scores = study(rng, np.full(1, 1.0), rows=1000, seeds=5, run=0.0, noise=0.0, hits=True)
    found = mean_interval(scores, "f0", "rows", row_step=1.0)
    share = found.estimate
    assert found.std_error == pytest.approx(np.sqrt(share * (1 - share) / 1000), rel=0.02)


def test_holm():
    assert holm([0.01, 0.04, 0.03]).tolist() == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.9, np.nan, 0.01]).tolist() == pytest.approx([1.0, 1.0, 0.03])
    assert holm([]).tolist() == []


def test_detectable_difference_is_detected():
    """A study told it could see a difference sees it in four of five repetitions."""
    rng = np.random.default_rng(5)
    level = detectable_difference(difference_interval(study(rng, np.zeros(2)), "f1", "f0"))
    seen = [
        difference_interval(study(rng, np.array([0.0, level])), "f1", "f0").p_value < 0.05
        for _ in range(300)
    ]
    assert 0.65 < np.mean(seen) < 0.95


def test_seeds_needed_settle_it_unless_the_rows_are_the_limit():
    rng = np.random.default_rng(6)
    lucky = study(rng, np.array([0.0, 0.2]), run=0.5, odd=0.05, rows=400)
    more = seeds_needed(lucky, "f1", "f0", 0.2, method="crossed")
    assert more is not None
    # What the table gives to all runs at once no seed wears off.
    assert seeds_needed(lucky, "f1", "f0", 0.2) is None
    assert seeds_needed(lucky, "f1", "f0", 2.0) <= 5
    assert (more + 10) % 5 == 0
    again = [
        study(rng, np.array([0.0, 0.2]), run=0.5, odd=0.05, rows=400, seeds=10 + more)
        for _ in range(40)
    ]
    settled = [difference_interval(s, "f1", "f0", "crossed").p_value < 0.05 for s in again]
    assert np.mean(settled) >= 0.6
    odd = study(rng, np.array([0.0, 0.05]), run=0.05, odd=2.0)
    assert seeds_needed(odd, "f1", "f0", 0.05) is None
    assert seeds_needed(odd, "f1", "f0", 0.0) is None


def test_what_seeds_leave_of_the_error():
    """Forty times the seeds leave of the error what a study of so many has."""
    rng = np.random.default_rng(15)
    for method, run in (("crossed", 0.5), ("crossed-corrected", 0.5), ("crossed", 0.0)):
        few, many = (study(rng, np.zeros(2), rows=300, run=run, seeds=s) for s in (25, 1000))
        now, then = (difference_interval(s, "f1", "f0", method).std_error for s in (few, many))
        assert error_left(few, "f1", "f0", method) == pytest.approx(then / now, abs=0.1)
    assert np.isnan(error_left(study(rng, np.zeros(2), seeds=1), "f1", "f0"))
    same = Scores.build(["a", "b"], [np.arange(5)] * 2, [np.ones((2, 5))] * 2, 5)
    assert error_left(same, "b", "a") == 1.0


def test_scores_refuse_what_does_not_fit():
    good = study(np.random.default_rng(7), np.zeros(2), seeds=2)
    with pytest.raises(ValueError, match="finite"):
        Scores.build(["a"], [np.arange(2)], [np.array([[1.0, np.nan]])], 2)
    with pytest.raises(ValueError, match="contributions"):
        Scores(good.activations, good.scores, good.rows[::-1], [np.zeros((1, 20))] * 2, 100)
    with pytest.raises(ValueError, match="seeds"):
        Scores.build(["a"], good.rows, good.contributions, 100)
    with pytest.raises(ValueError, match="method"):
        difference_interval(good, "f0", "f1", "bootstrap")
    losses = Scores.build(["a"], [np.arange(2)], [np.array([[1.0, 3.0]])], 2, sign=-1.0)
    assert losses.scores.tolist() == [[-2.0]]


# --- what must not move -----------------------------------------------------------------------

WORLDS = st.tuples(
    st.integers(0, 10_000), st.integers(2, 5), st.sampled_from([2, 3, 5, 6, 10]), st.booleans()
)


def numbers(scores, names, row_step=0.0):
    """Everything a verdict would use, in the order of ``names``."""
    belief = Family.of(scores, row_step=row_step).against(scores.index(names[0]))
    order = [scores.index(name) for name in names]
    found = [difference_interval(scores, name, names[0], row_step=row_step) for name in names]
    parts = [belief.expected_gain[order], belief.probability_better[order]]
    return np.concatenate([*parts, *([i.estimate, i.low, i.high, i.p_value] for i in found)])


@settings(max_examples=40, deadline=None)
@given(WORLDS)
def test_order_constants_and_scale_do_not_matter(world):
    seed, count, seeds, hits = world
    rng = np.random.default_rng(seed)
    scores = study(rng, rng.normal(scale=0.2, size=count), rows=30, seeds=seeds, hits=hits)
    names, step = scores.activations, float(hits)
    before = numbers(scores, names, step)
    assert np.isfinite(before).all()

    order, runs = rng.permutation(count), rng.permutation(seeds)
    shuffled = Scores.build(
        [names[i] for i in order],
        [scores.rows[k] for k in runs],
        [scores.contributions[k][order] for k in runs],
        30,
    )
    assert numbers(shuffled, names, step) == pytest.approx(before, abs=1e-9)

    moved = Scores.build(names, scores.rows, [part + 7.0 for part in scores.contributions], 30)
    assert numbers(moved, names, step) == pytest.approx(before, abs=1e-9)

    scaled = Scores.build(names, scores.rows, [part * 4.0 for part in scores.contributions], 30)
    after, unit = numbers(scaled, names, 4 * step), np.full(len(before), 4.0)
    unit[count : 2 * count] = 1.0  # probabilities
    unit[2 * count + 3 :: 4] = 1.0  # p-values
    assert after == pytest.approx(before * unit, abs=1e-9)


# --- shrinkage --------------------------------------------------------------------------------


def shrunken(rng, tau, studies, method, count=15, **world):
    """Of the best by expected gain: what was seen, expected and true; and all chances."""
    seen, expected, true, chance, better = [], [], [], [], []
    for _ in range(studies):
        level = rng.normal(scale=tau, size=count)
        scores = study(rng, level, **world)
        belief = Family.of(scores, method).against(0)
        best = int(np.argmax(belief.expected_gain[1:])) + 1
        means = scores.scores.mean(axis=1)
        seen.append(means[best] - means[0])
        expected.append(belief.expected_gain[best])
        true.append(level[best] - level[0])
        chance += list(belief.probability_better[1:])
        better += list(level[1:] > level[0])
    return tuple(np.array(part) for part in (seen, expected, true, chance, better))


@pytest.mark.parametrize(("method", "overlap"), WORLDS_OF)
def test_the_best_is_not_flattered(method, overlap):
    rng = np.random.default_rng(8)
    for tau, share in ((0.0, 0.2), (0.1, 0.5)):
        seen, expected, true, _, _ = shrunken(rng, tau, 150, method, overlap=overlap)
        assert np.mean(seen - true) > 0.03  # the plain difference is, so there is something to mend
        assert abs(np.mean(expected - true)) < share * np.mean(seen - true)


@pytest.mark.parametrize(("method", "overlap"), WORLDS_OF)
def test_chances_come_true(method, overlap):
    rng = np.random.default_rng(9)
    _, _, _, chance, better = shrunken(rng, 0.1, 150, method, overlap=overlap)
    for low, high in ((0.05, 0.35), (0.35, 0.65), (0.65, 0.95)):
        inside = (chance >= low) & (chance < high)
        assert inside.sum() > 200
        assert np.mean(better[inside]) == pytest.approx(np.mean(chance[inside]), abs=0.08)


def test_a_lucky_baseline_is_shrunk_too():
    """With equal truths, a baseline that came out high is not believed to be better."""
    rng, plain, believed = np.random.default_rng(10), [], []
    for _ in range(60):
        scores = study(rng, np.zeros(12))
        means = scores.scores.mean(axis=1)
        lucky = int(np.argmax(means))
        belief = Family.of(scores).against(lucky)
        plain.append(np.mean(np.delete(means, lucky)) - means[lucky])
        believed.append(np.mean(np.delete(belief.expected_gain, lucky)))
    assert np.mean(plain) < -0.05
    assert abs(np.mean(believed)) < 0.3 * abs(np.mean(plain))


def test_awful_activations_do_not_switch_shrinkage_off():
    rng = np.random.default_rng(11)
    level = np.zeros(12)
    awful = level.copy()
    awful[-5:] = [-30.0, -25.0, -40.0, -1e6, -30.0]
    state = rng.bit_generator.state
    without = Family.of(study(rng, level)).against(0)
    rng.bit_generator.state = state
    with_them = Family.of(study(rng, awful)).against(0)
    assert with_them.bulk.tolist() == [True] * 7 + [False] * 5
    assert with_them.tau < 2 * without.tau + 0.05
    assert np.abs(with_them.expected_gain[:7]).max() < 0.1
    assert with_them.expected_gain[-2] == pytest.approx(-1e6, rel=1e-3)
    assert with_them.probability_better[-5:].max() < 1e-6


def test_a_baseline_outside_the_bulk():
    scores = study(np.random.default_rng(12), np.array([-20.0, 0.0, 0.0, 0.1, 0.0]))
    belief = Family.of(scores).against(0)
    assert not belief.bulk[0]
    assert belief.expected_gain[1:] == pytest.approx(20.0, abs=0.5)
    assert belief.probability_better[1:].min() > 0.999


def test_a_far_better_one_is_believed():
    level = np.zeros(10)
    level[4] = 3.0
    belief = Family.of(study(np.random.default_rng(13), level)).against(0)
    assert belief.expected_gain[4] == pytest.approx(3.0, abs=0.4)
    assert belief.probability_better[4] > 0.999


def test_bulk_of_equals_is_everyone():
    assert find_bulk(np.zeros(5), np.zeros((5, 5))).all()


# --- variation --------------------------------------------------------------------------------


def tuned(rng, parts, shape):
    activation, rate, both, rows, rest = parts
    size_a, size_l, size_s = shape
    return (
        rng.normal(scale=activation, size=(size_a, 1, 1))
        + rng.normal(scale=rate, size=(1, size_l, 1))
        + rng.normal(scale=both, size=(size_a, size_l, 1))
        + rng.normal(scale=rows, size=(1, 1, size_s))
        + rng.normal(scale=rest, size=shape)
    )


def test_shares_find_the_truth():
    rng = np.random.default_rng(14)
    parts = np.array([1.0, 2.0, 0.5, 0.7, 0.6])
    found = [variation(tuned(rng, parts, (20, 8, 6))) for _ in range(200)]
    total = np.array([v.total for v in found])
    for name, scale in zip(
        ("activation", "learning_rate", "interaction", "rows", "weights"), parts, strict=True
    ):
        component = np.mean(total * [getattr(v, name) for v in found])
        assert component == pytest.approx(scale**2, rel=0.15), name


def test_diverged_cells_do_not_take_it_all():
    rng = np.random.default_rng(15)
    clean = tuned(rng, (1.0, 0.3, 0.1, 0.3, 0.2), (12, 5, 3))
    dirty = clean.copy()
    dirty[0, 4], dirty[1, 4, 0] = -1e9, np.nan
    one, other = variation(clean), variation(dirty)
    assert other.raised == 4
    assert other.activation == pytest.approx(one.activation, abs=0.25)
    assert other.total < 10 * one.total


def test_degenerate_tables():
    nothing = variation(np.full((3, 2, 2), 0.7))
    assert (nothing.total, nothing.note) == (0.0, "nothing varies")
    assert variation(np.full((2, 2, 2), np.nan)).raised == 8
    one_seed = variation(np.random.default_rng(16).normal(size=(4, 3, 1)))
    assert one_seed.rows == one_seed.interaction == 0.0
    assert one_seed.note.startswith("one seed")
    with pytest.raises(ValueError, match="tune"):
        variation(np.zeros((2, 2)))


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 10_000), st.integers(1, 5), st.integers(1, 4), st.integers(1, 4), st.booleans()
)
def test_shares_sum_to_one(seed, activations, rates, seeds, wild):
    rng = np.random.default_rng(seed)
    table = rng.normal(size=(activations, rates, seeds))
    if wild:
        table = table * 10.0 ** rng.integers(-6, 6, size=table.shape)
    found = variation(table)
    shares = [found.activation, found.learning_rate, found.interaction, found.rows, found.weights]
    assert min(shares) >= 0
    assert np.isfinite(shares).all()
    assert sum(shares) == pytest.approx(1.0 if found.total > 0 else 0.0)
    order = [rng.permutation(size) for size in table.shape]
    again = variation(table[np.ix_(*order)])
    assert again.activation == pytest.approx(found.activation, abs=1e-9)
    assert again.weights == pytest.approx(found.weights, abs=1e-9)
