"""The problem, architecture and objective that a user has chosen, and which alternatives fit. No widgets."""

from __future__ import annotations

from workbench.architectures import ARCHITECTURES
from workbench.core.capability import Capability
from workbench.core.spec import Spec
from workbench.objectives import OBJECTIVES
from workbench.problems import PROBLEMS
from workbench.training import Experiment, Training, refusals

CATALOGUES = {"problem": PROBLEMS, "architecture": ARCHITECTURES, "objective": OBJECTIVES}
KINDS = tuple(CATALOGUES)
#: Problems whose data are entered in an editor of their own, which says what is missing.
EDITED = frozenset({"table"})
START = {"problem": "two_moons", "architecture": "neural_spline_coupling", "objective": "maximum_likelihood"}


class Choices:
    """The selected problem, architecture and objective; Specs that are deselected keep their settings.

    Every problem may be selected. Architectures have to fit the problem, objectives have to fit both. One
    that no longer fits after a change is replaced by the first that does, with a sentence for the user.

    ``kind`` is "problem", "architecture" or "objective"; ``key`` is an entry of the catalogue of that kind.
    """

    def __init__(self) -> None:
        self.members: dict[str, dict[str, Spec]] = {kind: {} for kind in KINDS}
        self.selection: dict[str, str] = dict(START)
        self.training, self.steps, self.seed = Training(), 2000, 0

    def spec(self, kind: str, key: str | None = None) -> Spec:
        """Return the Spec of a catalogue entry with the user's settings, by default of the selected one."""
        key = key or self.selection[kind]
        if key not in self.members[kind]:
            self.members[kind][key] = CATALOGUES[kind].make(key)
        return self.members[kind][key]

    def experiment(self) -> Experiment:
        """Return a new `Experiment` with copies of the chosen Specs."""
        return Experiment(
            **{kind: self.spec(kind) for kind in KINDS},
            training=self.training,
            steps=self.steps,
            seed=self.seed,
        ).copy()

    def load(self, experiment: Experiment) -> None:
        """Replace all choices, including steps and seed, by those of an experiment."""
        for kind in KINDS:
            spec = getattr(experiment, kind)
            self.members[kind][spec.key] = spec.copy()
            self.selection[kind] = spec.key
        self.training, self.steps, self.seed = experiment.training.copy(), experiment.steps, experiment.seed

    def recommend(self) -> None:
        """Select the recommended network, objective and training for the problem and number of samples.

        Raises `IncompatibleError` for a problem without an observation.
        """
        self.load(Experiment.recommended(self.spec("problem").copy(), self.training.samples, seed=self.seed))

    @property
    def recommendable(self) -> bool:
        """True if `recommend` applies: the problem has an observation, and its data are available."""
        problem = self.spec("problem")
        return not problem.refusals() and Capability.OBSERVATION in problem.capabilities

    def select(self, kind: str, key: str) -> list[str]:
        """Select a catalogue entry; returns a sentence per other choice that had to be replaced."""
        self.selection[kind] = key
        return self.adapt(kind)

    def adapt(self, kind: str) -> list[str]:
        """Replace what no longer fits after a change of ``kind``; returns a sentence per replacement.

        A changed problem may replace architecture and objective, a changed architecture the objective.
        """
        sentences = []
        for later in KINDS[KINDS.index(kind) + 1 :]:
            reasons = self.reasons(later)
            if reasons[self.selection[later]]:
                fitting = [k for k, reason in reasons.items() if not reason]
                if fitting:
                    old, new = self.spec(later), CATALOGUES[later][fitting[0]]
                    sentences.append(f"{later.capitalize()} changed to {new.title}: {reasons[old.key]}")
                    self.selection[later] = fitting[0]
        return sentences

    def reasons(self, kind: str) -> dict[str, str]:
        """Return key -> reason why the catalogue entry does not fit the other choices, or "" where it
        does."""
        return {key: self.reason(kind, key) for key in CATALOGUES[kind].keys()}

    def reason(self, kind: str, key: str) -> str:
        """Return why a catalogue entry does not fit the other choices, or an empty string if it does."""
        if kind == "problem":
            return CATALOGUES[kind][key].unavailable()
        problem = self.spec("problem")
        if problem.refusals():
            return ""  # without its data, a problem does not restrict architectures
        if kind == "objective":
            return first(refusals(problem, self.spec("architecture"), self.spec("objective", key)))
        architecture, reasons = self.spec("architecture", key), []
        for objective in OBJECTIVES.keys():
            sentences = refusals(problem, architecture, self.spec("objective", objective))
            if not sentences:
                return ""
            reasons.append(sentences)
        # a refusal under every objective is that of the architecture itself
        common = [sentence for sentence in reasons[0] if all(sentence in other for other in reasons)]
        return first(common or reasons[0])

    def refusal(self) -> str:
        """Return why the chosen experiment cannot be trained, or an empty string if it can."""
        problem = self.spec("problem")
        if problem.key in EDITED and problem.refusals():
            return f"The data of the problem “{problem.title}” are not complete: see the note beside them."
        return first(refusals(*(self.spec(kind) for kind in KINDS)))


def first(sentences: list[str]) -> str:
    """Return the first sentence of a list, or an empty string for an empty list."""
    return sentences[0] if sentences else ""


def titles(kind: str) -> dict[str, str]:
    """Return the titles of all problems, architectures or objectives (``kind``) by key."""
    return {member.key: member.title for member in CATALOGUES[kind]}
