"""Scales of columns do not depend on the unit: powers of two change no digit, rounding is no signal."""

from __future__ import annotations

import pytest
import torch

from workbench.core.scale import column_scale, column_std


@pytest.mark.parametrize("exponent", [-900, -100, -1, 0, 1, 100, 900])
def test_a_power_of_two_changes_no_digit(exponent):
    values = torch.randn(500, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    factor = 2.0**exponent
    assert torch.equal(column_std(values * factor), column_std(values) * factor)


def test_the_standard_deviation_is_that_of_torch():
    values = 7 + 3 * torch.randn(500, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    torch.testing.assert_close(column_std(values), values.std(0, unbiased=False), rtol=1e-13, atol=0)


def test_rounding_is_constant_and_an_offset_of_a_hundred_million_deviations_is_not():
    noise = torch.rand(1000, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    rounding = 333333.33 * (1 + torch.finfo(torch.float64).eps * (noise > 0.5))
    offset = 1e8 + noise
    values = torch.stack([rounding, torch.zeros(1000, dtype=torch.float64), offset], 1)
    assert column_std(values)[:2].tolist() == [0, 0]
    assert column_scale(values)[:2].tolist() == [1, 1]
    assert column_std(values)[2].item() == pytest.approx(noise.std(unbiased=False).item(), rel=1e-6)
