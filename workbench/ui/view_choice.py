"""Which views there are, which of them apply to an experiment, and what each asks of a snapshot."""

from __future__ import annotations

from dataclasses import dataclass

from workbench.core.capability import Capability
from workbench.divergences import DIVERGENCES
from workbench.snapshots.density_ratio import knows_densities
from workbench.training import Experiment


@dataclass(frozen=True)
class View:
    """A view of the board: diagnostics and plots have a function of the same name."""

    name: str
    title: str
    asks: tuple[str, ...]
    about: str


VIEWS = {
    view.name: view
    for view in (
        View("samples", "Samples", ("samples",), "Data beside what the network draws."),
        View(
            "density",
            "Density",
            ("density", "samples"),
            "The network's density; the lines hold 50 % and 90 % of the target.",
        ),
        View(
            "resimulation",
            "Observations",
            ("posterior", "samples"),
            "Tap to choose the observation; resimulated draws of its posterior should land on it.",
        ),
        View(
            "posterior",
            "Posterior",
            ("posterior",),
            "The network's posterior beside the reference, where one is known.",
        ),
        View("arm", "Arm", ("posterior",), "Every pose that the posterior proposes."),
        View(
            "radial_velocity",
            "Velocity curve",
            ("posterior",),
            "The star's velocity: measurements, and the curves of the orbits that the posterior proposes.",
        ),
        View(
            "phase_folded",
            "Folded curve",
            ("posterior",),
            "All orbits laid on one, at the period of most draws.",
        ),
        View(
            "sound_speed_profile",
            "Sound speed",
            ("ocean",),
            "Speed of sound over depth: water, array, and the seabeds that the posterior proposes.",
        ),
        View(
            "ambiguity_surface",
            "Match",
            ("ocean", "posterior"),
            "How well seabeds match what was heard (Bartlett), with the posterior on it.",
        ),
        View(
            "transmission_loss",
            "Transmission loss",
            ("ocean",),
            "How much quieter the tone is over range and depth, for the posterior's median.",
        ),
        View(
            "latent",
            "Latent",
            ("latent",),
            "The data's code; it should fill the rings like a standard normal.",
        ),
        View("grid", "Layers", ("grid",), "A latent lattice, warped layer by layer into the data."),
        View("losses", "Loss", (), "Every part of the loss, on training and validation data."),
        View(
            "invertibility",
            "Round trips",
            ("invertibility",),
            "How far a round trip through the network misses.",
        ),
        View(
            "calibration",
            "Calibration",
            ("calibration",),
            "Ranks of held-out truths among the posterior's draws; in the grey band all is as chance makes "
            "it, an S says too narrow or too wide, a hump a shift.",
        ),
        View(
            "bound",
            "Bound",
            ("bound",),
            "Theorem 3.1 at work: what was measured bounds the posterior's error. Blue is the true error, "
            "orange measured, green declared by the architecture.",
        ),
        View(
            "critic",
            "Critic",
            ("critic", "posterior"),
            "What the critic has learned, log data/model, beside what it should say (beyond two variables: "
            "the dotted line); and whether the number that it gives can be trusted.",
        ),
        View(
            "precision_recall",
            "Precision and recall",
            ("precision_recall",),
            "How much of what is drawn looks like data (precision), and how much of the data is drawn "
            "(recall), at every trade-off; (1, 1) is perfect.",
        ),
        View(
            "divergences",
            "Divergences",
            (),
            "The divergences named in the training settings, measured on held-out data while it trains.",
        ),
    )
}

#: what a view cannot do without
NEEDS = {
    "latent": Capability.LATENT,
    "grid": Capability.LATENT,
    "invertibility": Capability.LATENT,
    "bound": Capability.BIJECTION,
}
MOST_AT_ONCE = 6
OCEAN = ("sound_speed_profile", "ambiguity_surface", "transmission_loss")


def applicable(experiment: Experiment) -> tuple[str, ...]:
    """Names of the views that mean something for this experiment, the most telling first."""
    problem, given = experiment.problem, experiment.architecture.capabilities
    planar, coded = problem.shapes.x >= 2, Capability.LATENT in given
    if problem.shapes.y:
        names = ["resimulation", "posterior"]
        names += ["arm"] if hasattr(problem, "arm") else []
        names += ["radial_velocity", "phase_folded"] if hasattr(problem, "curve") else []
        names += list(OCEAN) if hasattr(problem, "speed_profiles") else []
    else:
        names = ["samples", "density"] if planar else ["samples"]
    names += ["latent"] if coded else []
    names += ["grid"] if planar and (coded or Capability.EVIDENCE in given) else []
    names += ["losses", "invertibility"] if coded else ["losses"]
    later = ["calibration"] if problem.shapes.y else []
    later += ["critic"] if knows_its_critic(experiment) else []
    later += ["divergences"] if getattr(experiment.training, "measured", ()) else []
    later += ["precision_recall"] if Capability.REPARAMETERISED in given else []
    later += ["bound"] if Capability.BIJECTION in given else []
    if problem.shapes.y:
        names += ["density", "samples"] if planar else ["samples"]
    return tuple(names + later)


def missing(experiment: Experiment) -> tuple[str, ...]:
    """Why views that other networks have are not offered for this one, as sentences."""
    architecture, offered, found = experiment.architecture, applicable(experiment), {}
    for name, need in NEEDS.items():
        if name not in offered and need not in architecture.capabilities:
            found.setdefault(need, []).append(VIEWS[name].title)
    return tuple(
        f"Not shown: {', '.join(titles)}. They need a model that {Capability(need).sentence}; "
        f"{architecture.title} does not qualify."
        for need, titles in found.items()
    )


def knows_its_critic(experiment: Experiment) -> bool:
    """Whether the critic can be laid beside the optimal one: with known densities, and a divergence whose
    critic knows their ratio."""
    problem, given, objective = experiment.problem, experiment.architecture.capabilities, experiment.objective
    divergence = getattr(objective, "divergence", "")
    if divergence not in DIVERGENCES.keys() or not getattr(DIVERGENCES[divergence], "from_ratio", False):
        return False
    marginal = problem.shapes.y and getattr(objective, "direction", "") == "backward_marginal"
    return knows_densities(problem, given) and not marginal


def at_first(experiment: Experiment) -> tuple[str, ...]:
    """What is shown before the user chooses."""
    return applicable(experiment)[:MOST_AT_ONCE]


def asked(names: tuple[str, ...], experiment: Experiment) -> tuple[str, ...]:
    """What a snapshot must hold for these views. Round trips are always asked for: the badge shows them."""
    found = dict.fromkeys(ask for name in names for ask in VIEWS[name].asks)
    if "density" in names and experiment.problem.shapes.y:
        found["posterior"] = None
    found["invertibility"] = None
    return tuple(found)
