"""Adam on one flat buffer against torch's own Adam, tensor by tensor."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from workbench.core.errors import SpecError
from workbench.training.flat_adam import FlatAdam

X, Y = torch.randn(64, 3, generator=torch.Generator().manual_seed(0)).double(), torch.arange(64.0).double()


def network():
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 1)).double()


def optimisers(decoupled, weight_decay):
    ours, theirs = network(), network()
    method = torch.optim.AdamW if decoupled else torch.optim.Adam
    return (
        (ours, FlatAdam(ours.parameters(), 0.01, weight_decay=weight_decay, decoupled=decoupled)),
        (theirs, method(theirs.parameters(), lr=0.01, weight_decay=weight_decay)),
    )


def train(model, optimiser, steps, limit=2.0):
    norms = []
    for _ in range(steps):
        optimiser.zero_grad()
        (model(X)[:, 0] - Y).square().mean().backward()
        if isinstance(optimiser, FlatAdam):
            norms.append(optimiser.clip(limit))
        else:
            norms.append(float(nn.utils.clip_grad_norm_(model.parameters(), limit)))
        optimiser.step()
    return norms


def weights(model):
    return torch.cat([p.detach().reshape(-1) for p in model.parameters()])


@pytest.mark.parametrize(("decoupled", "weight_decay"), [(False, 0.0), (False, 0.1), (True, 0.1)])
def test_steps_equal_those_of_torch(decoupled, weight_decay):
    ours, theirs = optimisers(decoupled, weight_decay)
    norms = [train(*pair, 60) for pair in (ours, theirs)]
    assert norms[0] == pytest.approx(norms[1], rel=1e-9)
    assert torch.allclose(weights(ours[0]), weights(theirs[0]), rtol=1e-9, atol=1e-10)


def test_a_state_goes_to_torch_and_back():
    ours, theirs = optimisers(True, 0.1)
    train(*ours, 10)
    theirs[0].load_state_dict(ours[0].state_dict())
    theirs[1].load_state_dict(copy.deepcopy(ours[1].state_dict()))
    again = network()
    other = FlatAdam(again.parameters(), 0.5, decoupled=True)
    again.load_state_dict(theirs[0].state_dict())
    other.load_state_dict(theirs[1].state_dict())
    assert other.param_groups[0]["lr"] == 0.01 and other.param_groups[0]["weight_decay"] == 0.1
    for pair in (ours, theirs, (again, other)):
        train(*pair, 10)
    assert torch.equal(weights(ours[0]), weights(again))
    assert torch.allclose(weights(ours[0]), weights(theirs[0]), rtol=1e-9, atol=1e-10)


def test_a_state_is_a_copy_and_an_empty_one_forgets():
    model, optimiser = optimisers(False, 0.0)[0]
    before = weights(model).clone()
    train(model, optimiser, 3)
    state = optimiser.state_dict()
    moment = state["state"][0]["exp_avg"].clone()
    train(model, optimiser, 3)
    assert torch.equal(state["state"][0]["exp_avg"], moment)
    with torch.no_grad():
        nn.utils.vector_to_parameters(before, model.parameters())
    optimiser.load_state_dict({"state": {}, "param_groups": state["param_groups"]})
    fresh, other = optimisers(False, 0.0)[0]
    for pair in ((model, optimiser), (fresh, other)):
        train(*pair, 5)
    assert torch.equal(weights(model), weights(fresh))


def test_a_state_of_other_parameters_is_refused():
    model, optimiser = optimisers(False, 0.0)[0]
    train(model, optimiser, 1)
    state = optimiser.state_dict()
    fewer = FlatAdam(list(model.parameters())[:2], 0.1)
    with pytest.raises(ValueError, match="4 tensors; expected 2"):
        fewer.load_state_dict(state)
    state["state"][0]["exp_avg"] = torch.zeros(2, 2)
    with pytest.raises(ValueError, match="another shape"):
        optimiser.load_state_dict(state)


def test_frozen_parameters_and_those_with_new_storage():
    model = network()
    model[0].bias.requires_grad_(False)
    twice = [*model.parameters(), *model.parameters()]
    optimiser = FlatAdam(twice, 0.01)
    assert len(optimiser.parameters) == 3
    before = model[0].bias.clone()
    train(model, optimiser, 3)
    model[2].weight.data = torch.zeros_like(model[2].weight)  # a new tensor in place of the view
    model.zero_grad(set_to_none=True)
    train(model, optimiser, 1)
    assert torch.equal(model[0].bias, before)
    assert 0 < model[2].weight.abs().max() < 0.1  # it moved from zero, where it had been set
    assert optimiser.is_finite
    with torch.no_grad():
        model[2].weight[0, 0] = torch.nan
    assert not optimiser.is_finite


def test_copies_of_a_network_do_not_share_the_buffer():
    model, optimiser = optimisers(False, 0.0)[0]
    train(model, optimiser, 1)
    other = copy.deepcopy(model)
    assert torch.equal(weights(model), weights(other))
    train(model, optimiser, 1)
    assert not torch.equal(weights(model), weights(other))
    assert other[0].weight.untyped_storage().nbytes() == 8 * other[0].weight.numel()


def test_a_network_without_anything_to_train_is_refused():
    model = network().requires_grad_(False)
    for parameters in (model.parameters(), []):
        with pytest.raises(SpecError, match="nothing to train"):
            FlatAdam(parameters, 0.01)
