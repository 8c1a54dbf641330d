"""The critic's loss and step that runs, estimates and the adversarial studies share."""

import pytest
import torch

from workbench.critics import CRITICS
from workbench.critics.ascent import bounded_logits, critic_loss, critic_step
from workbench.critics.stabilisers import r1
from workbench.divergences import DIVERGENCES


@pytest.fixture
def critic():
    torch.manual_seed(0)
    return CRITICS.make("mlp", width=8, activation="tanh").build(2).double()


@pytest.mark.parametrize("key", ["kl", "f_gamma", "wasserstein_critic"])
@pytest.mark.parametrize("data_first", [True, False])
def test_the_loss_is_the_penalty_less_the_value_in_the_order_of_the_arguments(
    key, data_first, critic, normal
):
    divergence, data, model = DIVERGENCES.make(key), normal(0, 30, 2), 1 + normal(1, 20, 2)
    loss = critic_loss(
        divergence, critic, data, model, torch.Generator().manual_seed(2), data_first=data_first
    )
    p, q = (data, model) if data_first else (model, data)
    penalty = divergence.penalty(critic, p, q, torch.Generator().manual_seed(2))
    assert torch.isclose(loss, penalty - divergence.critic_value(critic(p), critic(q)), rtol=1e-12)
    flat = torch.cat([g.flatten() for g in torch.autograd.grad(loss, critic.parameters())])
    assert flat.abs().max() > 0


def test_r1_is_added_at_the_data_and_logits_are_clamped(critic, normal):
    divergence, data, model = DIVERGENCES.make("kl"), normal(0, 30, 2), 1 + normal(1, 20, 2)
    plain, with_r1 = (critic_loss(divergence, critic, data, model, None, r1_weight=w) for w in (0.0, 3.0))
    assert torch.isclose(with_r1 - plain, 3.0 * r1(critic, data), rtol=1e-9)
    limit = 0.5 * float(critic(data).detach().abs().max())
    assert bounded_logits(critic, data, limit).abs().max() == limit
    assert critic_loss(divergence, critic, data, model, None, logit_clamp=limit) != plain


def test_samples_are_constants(critic, normal):
    data, model = normal(0, 30, 2).requires_grad_(), normal(1, 20, 2).requires_grad_()
    critic_loss(DIVERGENCES.make("kl"), critic, data, model, None, r1_weight=1.0).backward()
    assert data.grad is None and model.grad is None


@pytest.mark.parametrize("clip", [0.0, 1e-3])
def test_a_step_reduces_the_loss_and_clips_the_gradient(clip, critic, normal):
    divergence, data, model = DIVERGENCES.make("jensen_shannon"), normal(0, 30, 2), 1 + normal(1, 20, 2)
    optimiser = torch.optim.SGD(critic.parameters(), lr=0.1)
    before = [p.detach().clone() for p in critic.parameters()]
    losses = []
    for _ in range(2):
        losses.append(critic_loss(divergence, critic, data, model, None))
        critic_step(optimiser, losses[-1], gradient_clip=clip)
    assert losses[1] < losses[0]
    distance = sum(
        float((p - q).detach().square().sum()) for p, q in zip(critic.parameters(), before, strict=True)
    )
    assert (distance**0.5 <= 2 * 0.1 * 1e-3 * (1 + 1e-6)) == (clip > 0)
