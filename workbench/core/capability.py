"""What members give and need, as words; an impossible pair is refused with the sentence that stands here."""

# given by architectures
DENSITY = "density"
LATENT = "latent"
EXACT_INVERSE = "exact_inverse"
REPARAMETERISED = "reparameterised"
CONDITIONAL = "conditional"
UNCONDITIONAL = "unconditional"
FORWARD = "forward"

# given by problems
OBSERVATION = "observation"
LOG_DENSITY = "log_density"
FULL_SUPPORT = "full_support"
LOG_JOINT = "log_joint"
SIMULATE = "simulate"
REFERENCE_POSTERIOR = "reference_posterior"

#: Completes "… needs a model/problem that …".
SENTENCES = {
    DENSITY: "has a tractable density",
    LATENT: "has a latent code of its data",
    EXACT_INVERSE: "inverts exactly",
    REPARAMETERISED: "passes gradients through its samples",
    CONDITIONAL: "can be conditioned on an observation y",
    UNCONDITIONAL: "works without an observation y",
    FORWARD: "predicts y from x",
    OBSERVATION: "has an observation y",
    LOG_DENSITY: "has a known density",
    FULL_SUPPORT: "has a density that is positive everywhere",
    LOG_JOINT: "has a known joint density of x and y",
    SIMULATE: "can simulate y from x",
    REFERENCE_POSTERIOR: "has a reference posterior",
}
