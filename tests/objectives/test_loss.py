"""A loss is saved, copied and moved like a module; members are described without torch."""

import copy
import pickle
import subprocess
import sys

import pytest
import torch

from tests.objectives.analytic import Affine, context
from workbench.objectives import OBJECTIVES

PACKAGES = ("divergences", "critics", "objectives", "theory", "inversion")
SLOW = ("torch", "zuko", "scipy", "geomloss", "sklearn", "xarray", "pandas")


def variational(seed=0, **settings):
    torch.manual_seed(seed)
    return OBJECTIVES.make("variational", critic_width=4, **settings).build(Affine(), context())


def test_keys_of_a_checkpoint_name_the_networks():
    weights = ("0.weight", "0.bias", "2.weight", "2.bias", "4.weight", "4.bias")
    assert list(variational().state_dict()) == [f"critic.{name}" for name in weights]
    both = variational(critic_averaging=0.9).state_dict()
    assert list(both) == [f"{part}.{name}" for part in ("critic", "averaged") for name in weights]
    assert not variational(divergence="energy_distance").state_dict()
    assert not OBJECTIVES.make("maximum_likelihood").build(Affine(), context()).state_dict()


def test_a_state_is_loaded_and_another_one_is_refused():
    loss, other = variational(critic_averaging=0.9), variational(seed=1, critic_averaging=0.9)
    other.load_state_dict(loss.state_dict())
    for name, value in other.state_dict().items():
        assert torch.equal(value, loss.state_dict()[name])
    with pytest.raises(RuntimeError, match="averaged"):
        other.load_state_dict(variational().state_dict())
    with pytest.raises(RuntimeError, match="size mismatch"):
        variational().load_state_dict({k: v[..., :1] for k, v in variational().state_dict().items()})


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda loss: pickle.loads(pickle.dumps(loss))])
def test_a_copy_shares_nothing(duplicate):
    loss = variational(critic_averaging=0.9)
    twin = duplicate(loss)
    with torch.no_grad():
        for parameter in twin.critic.parameters():
            parameter.add_(1.0)
    for one, other in zip(loss.critic.parameters(), twin.critic.parameters(), strict=True):
        assert torch.allclose(one + 1.0, other)


def test_networks_change_type_together():
    loss = variational(critic_averaging=0.9)
    assert loss.to(torch.float64) is loss
    assert {p.dtype for p in loss.parameters()} == {torch.float64}
    assert len(list(loss.parameters())) == 2 * len(list(loss.critic.parameters()))


def loaded_by(code):
    check = f"{code}; import sys; print(*[name for name in {SLOW} if name in sys.modules])"
    return subprocess.run(
        [sys.executable, "-c", check], capture_output=True, text=True, check=True
    ).stdout.split()


def test_describing_members_needs_no_torch():
    code = "; ".join(f"import workbench.{package}" for package in PACKAGES)
    tables = "workbench.objectives.OBJECTIVES.cards(); workbench.divergences.DIVERGENCES.cards()"
    assert loaded_by(f"{code}; {tables}") == []
    assert "torch" in loaded_by(f"{code}; workbench.inversion.ForwardNetwork")
