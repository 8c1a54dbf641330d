"""What members give and need, as words; an impossible pair is refused with the sentence that stands here."""

# given by architectures
DENSITY = "density"
LATENT = "latent"
BIJECTION = "bijection"
JOINT_LIKELIHOOD = "joint_likelihood"
VELOCITY = "velocity"
EVIDENCE = "evidence"
DECODER = "decoder"
TIED = "tied"
EXACT_INVERSE = "exact_inverse"
REPARAMETERISED = "reparameterised"
CONDITIONAL = "conditional"
UNCONDITIONAL = "unconditional"
FORWARD = "forward"
FORMULA = "formula"

# given by problems
OBSERVATION = "observation"
LOG_DENSITY = "log_density"
FULL_SUPPORT = "full_support"
LOG_JOINT = "log_joint"
SIMULATE = "simulate"
REFERENCE_POSTERIOR = "reference_posterior"
SIGNAL = "signal"

#: Completes "… needs a model/problem that …".
SENTENCES = {
    DENSITY: "has a tractable density",
    LATENT: "has a latent code of its data",
    BIJECTION: "maps data and latent onto each other and knows by how much it changes volumes",
    JOINT_LIKELIHOOD: "has a likelihood of y and the latent together",
    VELOCITY: "moves points along a velocity field",
    EVIDENCE: "bounds its likelihood by an encoder",
    DECODER: "comes back from its code by a decoder",
    TIED: "decodes with its encoder's transposed weights",
    EXACT_INVERSE: "inverts exactly",
    REPARAMETERISED: "passes gradients through its samples",
    CONDITIONAL: "can be conditioned on an observation y",
    UNCONDITIONAL: "works without an observation y",
    FORWARD: "predicts y from x",
    FORMULA: "can be read as formulas",
    OBSERVATION: "has an observation y",
    LOG_DENSITY: "has a known density",
    FULL_SUPPORT: "has a density that is positive everywhere",
    LOG_JOINT: "has a known joint density of x and y",
    SIMULATE: "can simulate y from x",
    REFERENCE_POSTERIOR: "has a reference posterior",
    SIGNAL: "tells signal and noise apart, and knows the law of the noise",
}
