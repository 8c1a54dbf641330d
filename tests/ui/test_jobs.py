"""Jobs: what the server keeps in memory of a run."""

import pytest

from workbench.training import Record
from workbench.ui.jobs import MAX_HISTORY, thin


def record(iteration, validated):
    validation = {"loss": 1.0} if validated else {}
    return Record(iteration, 0.0, 1e-3, {"loss": 1.0}, validation)


@pytest.mark.parametrize("every", [1, 2, 7, 100, 10**9], ids=lambda n: f"validation at every {n}")
def test_a_history_never_has_more_records_than_the_limit(every):
    history, longest = [], 0
    for start in range(1, 60_001, 500):  # as snapshots bring them
        history = thin(history + [record(i, i % every == 0) for i in range(start, start + 500)])
        longest = max(longest, len(history))
    assert MAX_HISTORY // 2 < longest <= MAX_HISTORY
    iterations = [r.iteration for r in history]
    assert iterations == sorted(set(iterations)) and iterations[-1] == 60_000 and iterations[0] <= 7
    gaps = [b - a for a, b in zip(iterations, iterations[1:], strict=False)]
    assert max(gaps) <= 2 * 32 and gaps[-1000:] == [1] * 1000  # old records are sparse, new ones are not
    if every >= 100:
        count = sum(bool(r.validation) for r in history)
        assert count == 60_000 // every  # curves of validation lose no point while they are few


def test_a_long_history_that_comes_at_once_is_thinned_as_often_as_it_takes():
    assert len(thin([record(i, True) for i in range(100_000)])) <= MAX_HISTORY


def test_a_short_history_is_kept_as_it_is():
    history = [record(i, False) for i in range(MAX_HISTORY)]
    assert thin(history) is history
