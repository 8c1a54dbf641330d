"""Variational objective of VINA, arXiv:2602.20480: L_y + λ D, with D any divergence of the catalogue.

The default direction is backward_joint, since it identifies the posterior; for f-divergences
    D( P_{X,Y} || P_{T⁻¹(Y,Z), Y} ) = sup_v  E[gain(v(x, y))] - E[cost(v(T⁻¹(y, z), y))]
The critic v maximises this value and the model T minimises it, by its exact gradient. Without y it is
D(P_X || P_{T⁻¹(Z)}). For an invertible network from x to [y, z] the supervised loss L_y = E|T_y(x) - y|² is
added. Divergences that are computed from the samples themselves need no critic. `directions` describes the
other directions, `terms` the further terms of the loss.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import param

from workbench.core.capability import Capability, unmet_need
from workbench.core.catalogue import MemberChoice
from workbench.core.errors import WorkbenchError
from workbench.core.spec import Setting
from workbench.critics import CRITICS
from workbench.divergences import DIVERGENCES, FDivergence, SampleDivergence, VariationalDivergence
from workbench.objectives.base import OBJECTIVES, Context, Loss, Objective
from workbench.objectives.borrowed import Borrowed
from workbench.objectives.directions import DIRECTIONS, cautions, conflicts
from workbench.objectives.terms import PRIORS, RECONSTRUCTIONS
from workbench.objectives.variational_loss import VariationalLoss

if TYPE_CHECKING:
    from workbench.architectures.base import Architecture
    from workbench.core.model import Model
    from workbench.critics import Critic
    from workbench.divergences import Divergence
    from workbench.problems.base import Problem

#: Settings without effect where there is no critic.
_CRITIC_SETTINGS = frozenset(
    {
        "critic",
        "critic_width",
        "critic_depth",
        "critic_steps",
        "critic_learning_rate",
        "critic_averaging",
        "gradient_penalty",
        "slope_penalty",
        "slope_target",
        "slope_one_sided",
        "logit_clamp",
        "instance_noise",
    }
)


@OBJECTIVES.register
class Variational(Objective):
    """Objective L_y + λ D, for a divergence D with a learned critic or one that needs none."""

    key = "variational"
    title = "Variational: L_y + λ D"
    summary = "Minimises a divergence between data and model, estimated by a critic or from the samples."
    reference = "VINA eqs. 2, 6, 9 and 10, arXiv:2602.20480"
    needs_model = frozenset({Capability.REPARAMETERISED})
    live = frozenset(
        {
            "weight_divergence",
            "weight_y",
            "weight_likelihood",
            "weight_reconstruction",
            "weight_prior",
            "ramp",
            "fade_likelihood",
            "critic_learning_rate",
            "critic_steps",
            "gradient_penalty",
            "slope_penalty",
            "logit_clamp",
            "instance_noise",
            "model_rate",
        }
    )

    divergence = MemberChoice(
        default="jensen_shannon",
        doc="Which divergence is minimised: by a critic, or (MMD, energy, sliced, Sinkhorn) directly.",
        catalogue=DIVERGENCES,
        suits=lambda member: issubclass(member, (VariationalDivergence, SampleDivergence)),
    )
    weight_divergence = param.Number(1.0, bounds=(0, 1e4), doc="Weight λ of the divergence.")
    weight_y = param.Number(
        10.0, bounds=(0, 1e4), doc="Weight of the supervised loss L_y (networks that predict y)."
    )
    weight_likelihood = param.Number(
        0.0,
        bounds=(0, 1e3),
        doc="Weight of the negative log-likelihood, for a hybrid; 0 only records it (models with a density).",
    )
    critic_width = param.Integer(64, bounds=(2, 2048), doc="Units in each hidden layer of the critic.")
    critic_depth = param.Integer(2, bounds=(1, 8), doc="Hidden layers of the critic.")
    critic_steps = param.Integer(2, bounds=(1, 20), doc="Critic steps for each step of the model.")
    critic_learning_rate = param.Number(2e-3, bounds=(1e-6, 1.0), doc="Learning rate of the critic.")
    gradient_penalty = param.Number(
        0.1,
        bounds=(0, 100),
        doc="Weight of the critic's squared gradient on data (R1): stabilises training, 0 leaves it out.",
    )
    model_rate = param.Number(
        1.0,
        bounds=(1e-3, 10.0),
        doc="Factor on the training's learning rate for the model. For a divergence without a critic, the "
        "rate is three times as large again.",
    )
    direction = param.Selector(
        default="backward_joint",
        objects=list(DIRECTIONS),
        doc="Which distributions are compared. backward_joint: (x, y) with (T⁻¹(y, z), y), which identifies "
        "the posterior; forward_true_y: (y, z) with (y, T_z(x)); forward_full: (y, z) with T(x), which needs "
        "L_y and no zero padding; backward_marginal: x with T⁻¹(y, z), which does not involve y and "
        "identifies no posterior on its own.",
    )
    order = param.Selector(
        default="data_first",
        objects=["data_first", "model_first"],
        doc="D(data || model), or with the arguments exchanged D(model || data): KL and reverse KL trade "
        "places. The distribution that training does not change counts as the data.",
    )
    generator_gradient = param.Selector(
        default="exact",
        objects=["exact", "non_saturating"],
        doc="exact: the model minimises the divergence. non_saturating: it maximises the critic's gain "
        "instead, with a stronger gradient where the critic is ahead, which is that of another divergence.",
    )
    ramp = param.Number(
        0.0,
        bounds=(0, 1),
        doc="Fraction of the run over which λ rises from almost zero; 0 for its full value from the start.",
    )
    fade_likelihood = param.Number(
        0.0,
        bounds=(0, 1),
        doc="Fraction of the run in which the likelihood's weight falls to 0, for a warm start; 0: constant.",
    )
    weight_reconstruction = param.Number(
        0.0, bounds=(0, 1e4), doc="Weight of the reconstruction of x; 0 leaves it out."
    )
    reconstruction = param.Selector(
        default="cycle",
        objects=list(RECONSTRUCTIONS),
        doc="cycle: T, then T⁻¹ applied to x, with noise between. independent: VINA's, x̂ from an independent "
        "z against x, which draws every sample towards the posterior mean.",
    )
    reconstruction_noise = param.Number(
        0.02, bounds=(0, 1), doc="Noise on latent and predicted y in the cycle, in standardised units."
    )
    prior_loss = param.Selector(
        default="none",
        objects=list(PRIORS),
        doc="VINA's prior loss on the samples: gaussian (squared distance to x, in standard deviations) or "
        "uniform (distance from the box between the bounds).",
    )
    weight_prior = param.Number(1.0, bounds=(0, 1e4), doc="Weight λ' of the prior loss.")
    prior_low = param.Number(0.0, doc="Uniform prior: lower bound of every component, in the units of x.")
    prior_high = param.Number(1.0, doc="Uniform prior: upper bound of every component, in the units of x.")
    critic = MemberChoice(
        default="mlp", catalogue=CRITICS, doc="The class of functions over which the supremum is taken."
    )
    critic_averaging = param.Number(
        0.0,
        bounds=(0, 0.9999),
        doc="Decay of a moving average (EMA) of the critic, which the model then descends; 0: none.",
    )
    slope_penalty = param.Number(
        0.0,
        bounds=(0, 1e3),
        doc="Weight of the squared deviation of the critic's slope from its target, between data and model "
        "(WGAN-GP); W1 and (f, Γ) bring their own.",
    )
    slope_target = param.Number(1.0, bounds=(0, 1e3), doc="The slope at which the slope penalty is zero.")
    slope_one_sided = param.Boolean(True, doc="Penalise only slopes above the target.")
    logit_clamp = param.Number(
        0.0, bounds=(0, 100), doc="Limit of the critic's logits, with zero gradient beyond; 0: no limit."
    )
    instance_noise = param.Number(
        0.0,
        bounds=(0, 2),
        doc="Noise on the critic's inputs, in standardised units; it falls to 0 over the run. It makes "
        "disjoint supports overlap at first.",
    )

    model_averaging = param.Number(
        0.99,
        bounds=(0, 0.9999),
        doc="Decay of a moving average (EMA) of the network's weights, which is evaluated and saved: "
        "adversarial training circles around its solution, and the average does not. 0: none; the "
        "training's own averaging is used where it is longer.",
    )

    def __init__(self, **values: Any) -> None:
        if not values.keys() <= set(type(self).param):  # perhaps settings of a divergence of another package
            self._complete()
        super().__init__(**values)

    @classmethod
    def settings(cls) -> tuple[Setting, ...]:
        """Describe all settings, those of the divergences and critics of other packages included."""
        cls._complete()
        return super().settings()

    @staticmethod
    def _complete() -> None:
        """Load the divergences and critics of other packages, whose settings are copied to this class."""
        for catalogue in (DIVERGENCES, CRITICS):
            catalogue.keys()

    def conflicts(self, problem: Problem, architecture: Architecture) -> list[str]:
        reasons = conflicts(self.direction, problem, architecture)
        for make in (self.make_divergence, self.make_critic):
            try:
                make()
            except WorkbenchError as error:
                reasons.append(str(error))
        cycle = self.weight_reconstruction > 0 and self.reconstruction == "cycle"
        if cycle and Capability.LATENT not in architecture.capabilities:
            reasons.append(unmet_need("the cycle", Capability.LATENT, architecture.title))
        if self.prior_loss == "uniform" and self.prior_low >= self.prior_high:
            reasons.append("a uniform prior needs prior_low below prior_high")
        return reasons

    def unused(self, architecture: Architecture) -> frozenset[str]:
        needs = {
            "weight_y": Capability.FORWARD,
            "weight_likelihood": Capability.DENSITY,
            "fade_likelihood": Capability.DENSITY,
        }
        names = {name for name, need in needs.items() if need not in architecture.capabilities}
        names |= _DIVERGENCES.all - _DIVERGENCES.of(self.divergence)
        kind = DIVERGENCES[self.divergence]
        if not issubclass(kind, FDivergence):
            names.add("generator_gradient")
        if issubclass(kind, SampleDivergence):
            names |= _CRITIC_SETTINGS | _CRITICS.all
        else:
            names |= _CRITICS.all - _CRITICS.of(self.critic)
        if self.reconstruction != "cycle":
            names.add("reconstruction_noise")
        if self.prior_loss == "none":
            names.add("weight_prior")
        if self.prior_loss != "uniform":
            names |= {"prior_low", "prior_high"}
        return frozenset(names)

    def warnings(self, problem: Problem, architecture: Architecture) -> list[str]:
        sentences = cautions(self.direction, problem, architecture, supervised=self.weight_y > 0)
        divergence = self.make_divergence()
        sentences += [divergence.caution] if divergence.caution else []
        if isinstance(divergence, VariationalDivergence):
            critic = self.make_critic()
            sentences += [critic.caution] if critic.caution else []
        if self.generator_gradient == "non_saturating":
            sentences.append(_non_saturating_warning(divergence, self.order))
        if self.weight_reconstruction > 0 and self.reconstruction == "independent":
            sentences.append(_SHRINKAGE.format("The independent reconstruction"))
        if self.prior_loss == "gaussian" and self.weight_prior > 0:
            sentences.append(_SHRINKAGE.format("The Gaussian prior loss"))
        return sentences

    def make_divergence(self) -> Divergence:
        """Return the selected divergence with its settings."""
        return _DIVERGENCES.make(self.divergence, self)

    def divergence_values(self) -> dict[str, Any]:
        """Return the settings of the selected divergence: name in its own Spec -> value."""
        return _DIVERGENCES.values(self.divergence, self)

    def make_critic(self) -> Critic:
        """Return the Spec of the selected critic with its settings."""
        return _CRITICS.make(self.critic, self)

    @property
    def needs_critic(self) -> bool:
        """True where the divergence is a supremum over critics."""
        return issubclass(DIVERGENCES[self.divergence], VariationalDivergence)

    @property
    def network_rate(self) -> float:
        return self.model_rate * DIVERGENCES[self.divergence].pace

    @property
    def momenta(self) -> tuple[float, float]:
        # less memory than usual: in adversarial training old gradients lead around the solution, and the
        # large gradients at the start of a run should not slow down its end
        return (0.5, 0.99)

    def build(self, model: Model, context: Context) -> Loss:
        return VariationalLoss(self, model, context)


_SHRINKAGE = (
    "{} compares a draw with an x that has another latent: it pulls every draw to the posterior's mean, and "
    "too large a weight shrinks the posterior."
)


def _non_saturating_warning(divergence: Divergence, order: str) -> str:
    if not isinstance(divergence, FDivergence):
        return f"{divergence.title} has no non-saturating form: its exact gradient is used."
    if order == "model_first" or not divergence.non_saturating_descends:
        return (
            f"The non-saturating gradient of {divergence.title} is that of another divergence, ∫ p k(q/p) "
            "with k'(w) = -f'(1/w) for the data first: the exact gradient descends the selected one."
        )
    return (
        f"The non-saturating gradient of {divergence.title} descends {divergence.non_saturating_descends} "
        "(P data, Q model), not the divergence that is selected and shown."
    )


_DIVERGENCES = Borrowed(
    Variational,
    DIVERGENCES,
    # a training loss is better without the diagonals, whose weight shrinks the model's samples; a two-sided
    # penalty keeps the critic steep where the distributions are equal, and the model never converges
    defaults={
        "maximum_mean_discrepancy_unbiased": True,
        "energy_distance_unbiased": True,
        "wasserstein_critic_one_sided": True,
    },
    live=True,
)
_CRITICS = Borrowed(Variational, CRITICS, shared={"width": "critic_width", "depth": "critic_depth"})
