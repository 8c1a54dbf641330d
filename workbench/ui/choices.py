"""Choices: what a user has picked, and what fits beside it. Knows nothing of widgets."""

from __future__ import annotations

from workbench.architectures import ARCHITECTURES
from workbench.core.capability import Capability
from workbench.core.spec import Spec
from workbench.objectives import OBJECTIVES
from workbench.problems import PROBLEMS
from workbench.training import Experiment, Training, refusals

CATALOGUES = {"problem": PROBLEMS, "architecture": ARCHITECTURES, "objective": OBJECTIVES}
KINDS = tuple(CATALOGUES)
START = {"problem": "two_moons", "architecture": "neural_spline_coupling", "objective": "maximum_likelihood"}


class Choices:
    """One Spec a member, kept while the user goes back and forth, and the key that is picked of each kind.

    The problem comes first: every problem may be picked. Architectures are judged beside the problem,
    objectives
    beside both; what no longer fits after a pick is exchanged for the first that does, and said so.
    """

    def __init__(self) -> None:
        self.members: dict[str, dict[str, Spec]] = {kind: {} for kind in KINDS}
        self.picked: dict[str, str] = dict(START)
        self.training, self.steps, self.seed = Training(), 2000, 0

    def spec(self, kind: str, key: str | None = None) -> Spec:
        """The (kept) Spec of a member; of the picked one without a key."""
        key = key or self.picked[kind]
        if key not in self.members[kind]:
            self.members[kind][key] = CATALOGUES[kind].make(key)
        return self.members[kind][key]

    def experiment(self) -> Experiment:
        """What is picked, as an Experiment of its own."""
        return Experiment(
            **{kind: self.spec(kind) for kind in KINDS},
            training=self.training,
            steps=self.steps,
            seed=self.seed,
        ).copy()

    def take(self, experiment: Experiment) -> None:
        """Show another experiment (opened, linked): its Specs become the picked ones."""
        for kind in KINDS:
            spec = getattr(experiment, kind)
            self.members[kind][spec.key] = spec.copy()
            self.picked[kind] = spec.key
        self.training, self.steps, self.seed = experiment.training.copy(), experiment.steps, experiment.seed

    def recommend(self) -> None:
        """Take the recommended network, objective and training for the picked problem and number of
        samples. Raises `IncompatibleError` for a problem without an observation."""
        self.take(Experiment.recommended(self.spec("problem").copy(), self.training.samples, seed=self.seed))

    @property
    def recommendable(self) -> bool:
        """Whether there is a recommendation: an inverse problem whose data are there."""
        problem = self.spec("problem")
        return not problem.refusals() and Capability.OBSERVATION in problem.capabilities

    def pick(self, kind: str, key: str) -> list[str]:
        """Pick a member; returns a sentence for everything else that had to change with it."""
        self.picked[kind] = key
        return self.adapt(kind)

    def adapt(self, kind: str) -> list[str]:
        """Exchange what does not fit any more after a change of this kind; a sentence for each exchange."""
        said = []
        for later in KINDS[KINDS.index(kind) + 1 :]:
            reasons = self.reasons(later)
            if reasons[self.picked[later]]:
                fitting = [k for k, reason in reasons.items() if not reason]
                if fitting:
                    old, new = self.spec(later), CATALOGUES[later][fitting[0]]
                    said.append(f"{later.capitalize()} changed to {new.title}: {reasons[old.key]}")
                    self.picked[later] = fitting[0]
        return said

    def reasons(self, kind: str) -> dict[str, str]:
        """For each member why it does not fit what stands before it; an empty text where it fits."""
        return {key: self.reason(kind, key) for key in CATALOGUES[kind].keys()}

    def reason(self, kind: str, key: str) -> str:
        """One sentence, or an empty text."""
        if kind == "problem":
            return CATALOGUES[kind][key].unavailable()
        problem = self.spec("problem")
        if problem.refusals():
            return ""  # a table that is not there yet says nothing about architectures
        if kind == "objective":
            return first(refusals(problem, self.spec("architecture"), self.spec("objective", key)))
        architecture, found = self.spec("architecture", key), []
        for objective in OBJECTIVES.keys():
            refused = refusals(problem, architecture, self.spec("objective", objective))
            if not refused:
                return ""
            found.append(refused)
        # the refusal that no objective can take away is the architecture's own
        common = [sentence for sentence in found[0] if all(sentence in other for other in found)]
        return first(common or found[0])

    def refusal(self) -> str:
        """Why what is picked cannot be run, or an empty text."""
        return first(refusals(*(self.spec(kind) for kind in KINDS)))


def first(sentences: list[str]) -> str:
    return sentences[0] if sentences else ""


def titles(kind: str) -> dict[str, str]:
    """key -> title, in the order of the catalogue."""
    return {member.key: member.title for member in CATALOGUES[kind]}
