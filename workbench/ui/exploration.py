"""Exploration: what an open explorer page looks at. No widgets here; the page watches `changed`.

A look at a moving observation is quick: 2,000 draws, their regions, a picture. When it rests, what is dear
follows: the reference, the resimulation, and as many draws as were wished for, a part at a time, so that
the page stays free.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import param

from workbench.core.errors import DataError, SpecError
from workbench.core.variable import named
from workbench.diagnostics.posterior_explorer import About, Answer, Ask
from workbench.diagnostics.posterior_explorer.explorer import QUICK, inside
from workbench.diagnostics.posterior_explorer.histogram import law
from workbench.diagnostics.posterior_explorer.refinement_summary import Refined
from workbench.ui import latest_query
from workbench.ui.process_pool import POOL

#: Milliseconds after the last movement until an observation is at rest.
REST = 250
#: Variables that are drawn against each other.
MOST_SHOWN = 6


class Exploration(param.Parameterized):
    """The model, perhaps a second one, the observation, and the newest answers."""

    observation = param.Parameter((), doc="The y that is looked at, a tuple.")
    problem = param.String("", doc="Why there is nothing to see, in a sentence.")
    opened = param.Integer(0, doc="Counts the models that were opened.")
    changed = param.Integer(0, doc="Counts the answers.")

    def __init__(self, document: Any = None, *, pool: Any = None) -> None:
        super().__init__()
        self.document = document
        made = partial(latest_query.Asker, on_error=self._failed, document=document, pool=pool)
        self._looks = {
            name: made(latest_query.answer, on_answer=partial(self._answered, name))
            for name in ("model", "other")
        }
        self._abouts = {
            name: made(latest_query.about, on_answer=partial(self._told, name)) for name in ("model", "other")
        }
        self._priors = made(latest_query.prior, on_answer=self._prior_came)
        # a reference may take long: it must not stand in the way of the next quick look
        slow = pool or POOL
        self._references = latest_query.Asker(
            latest_query.reference, self._referred, self._failed, document=document, pool=slow
        )
        self.sources: dict[str, str] = {}
        self.about: About | None = None
        self.other_about: About | None = None
        self.draws, self.chosen, self.windows, self.picture = QUICK, (), (), ""
        self.answers: dict[str, Answer] = {}
        self.reference: Any = None
        self.no_reference, self.prior = "", None
        self.refined: Refined | None = None
        self._refined_law: Any = None
        self.truth: tuple[float, ...] = ()  # the parameters of a row of the table, or that are moved
        self.moving_truth, self.within = False, ()
        self._timer, self._wanted = None, ()

    # ---- models
    def open(self, source: Path | str, observation: tuple[float, ...] = ()) -> None:
        """Look at this model: a run's folder or an exported file. What is found of it comes later."""
        self._looks["model"].forget()
        # before the page hears that the second one has gone: nothing of the last model is drawn again
        self.about, self.answers, self.problem = None, {}, ""
        self.close_other()
        self.sources["model"], self._wanted = str(source), observation
        self._abouts["model"].ask(str(source))

    def compare(self, source: Path | str) -> None:
        """Lay a second model over the first."""
        self.sources["other"] = str(source)
        self._abouts["other"].ask(str(source))

    def close_other(self) -> None:
        self.sources.pop("other", None)
        self._looks["other"].forget()
        self.answers.pop("other", None)
        self.other_about = None
        self.changed += 1

    def _told(self, name: str, about: About) -> None:
        if name == "other":
            return self._second(about)
        self.about, self.answers, self.reference, self.no_reference = about, {}, None, ""
        self.prior, self.truth, self.moving_truth, self.within = None, (), False, ()
        self.chosen, self.windows = tuple(range(min(4, len(about.x)))), ()
        self.picture = about.pictures[0] if about.pictures else ""
        wanted, self._wanted = self._wanted, ()
        first = wanted if len(wanted) == len(about.y) else about.default_observation
        # before the page hears of the model: what it sets then must not ask with the last one's observation
        self.observation = tuple(first)
        self.opened += 1
        self.observe(first)
        self._priors.ask(self.sources["model"], self.ask())

    def _second(self, about: About) -> None:
        ours = self.about
        if ours is None or [v.name for v in about.x + about.y] != [v.name for v in ours.x + ours.y]:
            self.sources.pop("other", None)
            raise_ = SpecError(
                "The second model cannot be laid over the first",
                expected="the same variables x and y" + (f": {_names(ours)}" if ours else ""),
                found=_names(about),
            )
            return self._failed(raise_)
        self.other_about = about
        self._look()

    # ---- the observation
    def observe(self, values: tuple[float, ...], truth: tuple[float, ...] = ()) -> None:
        """Look at the posterior of this observation; ``truth`` are the parameters behind it, where known.

        Raises `DataError` for the wrong number of values or one that is not finite.
        """
        if self.about is None:  # a model is being opened
            return
        self.observation = checked(values, self.about)
        self.truth, self.moving_truth, self.within = tuple(truth), False, ()
        self._moved()

    def move_truth(self, values: tuple[float, ...]) -> None:
        """Look at the posterior of an observation that is simulated from these parameters."""
        self.truth, self.moving_truth, self.within = tuple(float(v) for v in values), True, ()
        self._moved()

    # ---- how it is looked at
    def choose(self, variables: tuple[int, ...]) -> None:
        """Draw these variables against each other."""
        if variables and variables != self.chosen:
            self.chosen = tuple(variables)[:MOST_SHOWN]
            self._moved(axes=True)

    def want(self, draws: int) -> None:
        """So many draws at rest."""
        self.draws = int(draws)
        self._moved()

    def show_picture(self, key: str) -> None:
        self.picture = key
        self._moved()

    def fit_axes(self) -> None:
        """Axes around the present posterior, where they stay until they are changed again."""
        answer = self.answers.get("model")
        if answer is not None:
            self.windows = fitted(answer, self.about.window)
            self._moved(axes=True)

    def whole_axes(self) -> None:
        """Axes of the problem, as wide as its prior."""
        self.windows = ()
        self._moved(axes=True)

    def brush(self, within: tuple[tuple[int, float, float], ...]) -> None:
        """Show only draws inside in the other views; none: all of them."""
        self.within = tuple(within)
        self._look(at_rest=True)
        if self.reference is not None and self.reference[2] is not None:
            self._references.ask(self.sources["model"], self.ask())  # its picture is of the draws inside

    def brushed(self) -> np.ndarray | None:
        """Which kept draws (n,) of the model are inside the brush; None without one."""
        answer = self.answers.get("model")
        return inside(answer.law["draw"].values, self.within) if self.within and answer is not None else None

    # ---- asking
    def ask(self, *, at_rest: bool = False, more: bool = False) -> Ask:
        """The present wish."""
        return Ask(
            observation=() if self.moving_truth else self.observation,
            truth=self.truth if self.moving_truth else (),
            draws=self.draws if more else min(self.draws, QUICK),
            chosen=self.chosen,
            windows=self.windows,
            picture=self.picture,
            at_rest=at_rest,
            more=more,
            within=self.within,
        )

    def _moved(self, *, axes: bool = False) -> None:
        if self.about is None:
            return
        self.problem = ""
        self._look()
        if axes:
            self._priors.ask(self.sources["model"], self.ask())
        if self.document is not None:
            if self._timer is not None:
                self.document.remove_timeout_callback(self._timer)
            self._timer = self.document.add_timeout_callback(self._rested, REST)

    def _rested(self) -> None:
        self._timer = None
        self.rest()

    def rest(self) -> None:
        """Ask for what is dear."""
        self._look(at_rest=True, more=True)
        if self.about is not None and "reference_posterior" in self.about.given:
            self._references.ask(self.sources["model"], self.ask())

    def _look(self, *, at_rest: bool = False, more: bool = False) -> None:
        if self.about is None:
            return
        for name in ("model", "other"):
            if name == "model" or self.other_about is not None:
                self._looks[name].ask(self.sources[name], self.ask(at_rest=at_rest, more=more))

    def _answered(self, name: str, answer: Answer) -> None:
        if name == "other" and self.other_about is None:
            return
        self.answers[name] = self._complete(answer, self.answers.get(name))
        if name == "model":
            if self.moving_truth:
                self.observation = answer.observation
            if self.reference is not None and not self._same(self.reference[0], answer):
                self.reference = None
        self.changed += 1
        if answer.ask.more and answer.law.attrs["total"] < self.draws and self._looks[name].idle:
            if answer.ask.place() == self.ask().place():
                self._looks[name].ask(self.sources[name], self.ask(at_rest=True, more=True))

    @staticmethod
    def _complete(new: Answer, old: Answer | None) -> Answer:
        """While the observation moves, dear views may be left out: the old ones of another place are not
        shown."""
        if old is None or old.observation != new.observation or old.ask.within != new.ask.within:
            return new
        kept = {n: getattr(old, n) for n in ("picture", "resimulated") if getattr(new, n) is None}
        if old.ask.picture != new.ask.picture:
            kept.pop("picture", None)
        return replace(new, **kept)

    @staticmethod
    def _same(ask: Ask, answer: Answer) -> bool:
        return ask.place() == answer.ask.place()

    def _referred(self, found: tuple[Ask, Any, Any]) -> None:
        ask, reference, _ = found
        if ask.place() != self.ask().place():
            return
        self.no_reference = reference if isinstance(reference, str) else ""
        self.reference = None if isinstance(reference, str) else found
        self.changed += 1

    def show_refined(self, refined: Refined | None) -> None:
        """Lay the refined posterior over the others; None takes it away."""
        if refined is not self.refined:
            self.refined, self._refined_law = refined, None
            self.changed += 1

    def _refined(self, answer: Answer) -> Any:
        """The law of what is refined over the windows of an answer; None where it is of another place."""
        if self.refined is None or self.refined.observation != answer.observation:
            return None
        windows = answer.ask.windows or self.about.window
        if self._refined_law is None or not alike(self._refined_law, answer.law):
            self._refined_law = law(self.refined.draws, self.about.x, answer.ask.chosen, windows)
        return self._refined_law

    def _prior_came(self, prior: Any) -> None:
        self.prior = prior
        self.changed += 1

    # ---- what is drawn
    def laws(self) -> dict[str, Any] | None:
        """What the pair plot and the marginals draw, by name; None before the first answer. What was
        counted over other windows or variables is left out: it comes anew in a moment."""
        answer = self.answers.get("model")
        if answer is None:
            return None
        known = {
            "model": answer.law,
            "other": self.answers["other"].law if "other" in self.answers else None,
            "reference": self.reference[1] if self.reference else None,
            "prior": self.prior,
            "refined": self._refined(answer),
        }
        kept = {name: law for name, law in known.items() if law is not None and alike(law, answer.law)}
        shown = [list(answer.law["variable"].values).index(name) for name in answer.law["shown"].values]
        truth = [self.truth[i] for i in shown] if self.truth else None
        return kept | {"truth": truth, "within": self.brushed()}

    def pictures(self) -> dict[str, Any] | None:
        """What the physical view draws; None where there is none."""
        answer = self.answers.get("model")
        if answer is None or answer.picture is None:
            return None
        other = self.answers["other"].picture if "other" in self.answers else None
        reference = self.reference[1] if self.reference else {}
        return {
            "model": answer.picture if (both := self._beside()) is None else both,
            "other": other,
            "reference": reference["reference_line"].values if "reference_line" in reference else None,
        }

    def _beside(self) -> Any:
        """The picture that has the reference in it, where it is of what is looked at now."""
        ask, _, picture = self.reference or (None, None, None)
        return picture if ask and (ask.picture, ask.within) == (self.picture, self.within) else None

    def seen(self) -> dict[str, Any] | None:
        """What the plane of observations draws; None before the first answer."""
        answer, about = self.answers.get("model"), self.about
        if answer is None or about is None:
            return None
        again = {
            name: None if found.resimulated is None else found.resimulated["again"].values
            for name, found in self.answers.items()
        }
        axes = {"labels": [v.label for v in about.y], "windows": about.observation_window}
        return axes | {"data": about.rows, "observation": answer.observation} | again

    def _failed(self, error: BaseException) -> None:
        self.on_error(error)

    def on_error(self, error: BaseException) -> None:
        """What the page does about an error; replaced by it."""
        self.problem = str(error)

    def close(self) -> None:
        """The page has gone."""
        for asker in (*self._looks.values(), *self._abouts.values(), self._references, self._priors):
            asker.forget()


def checked(values: Any, about: About) -> tuple[float, ...]:
    """An observation (M,) of finite numbers, or a `DataError` that says what is wrong."""
    names = named(about.y)
    try:
        found = tuple(float(v) for v in values)
    except (TypeError, ValueError) as error:
        raise DataError(
            "The observation is not made of numbers", expected=f"numbers ({names})", found=str(values)[:80]
        ) from error
    if len(found) != len(about.y):
        raise DataError(
            "The observation has the wrong length",
            expected=f"{len(about.y)} numbers ({names})",
            found=f"{len(found)}",
        )
    if not np.isfinite(found).all():
        first = next(i for i, v in enumerate(found) if not np.isfinite(v))
        raise DataError(
            "The observation is not finite",
            expected=f"a number for {about.y[first].name}",
            found=str(found[first]),
            suggestion="a missing value cannot be left out: this network was trained with all of them",
        )
    return found


def alike(law: Any, other: Any) -> bool:
    """Whether two laws were counted over the same windows of the same variables."""
    same = list(law["shown"].values) == list(other["shown"].values)
    return same and list(law.attrs["windows"]) == list(other.attrs["windows"])


def fitted(answer: Answer, windows: Any) -> tuple[tuple[float, float], ...]:
    """Windows around nearly all kept draws of an answer, with room; where a variable has no spread, its
    old one."""
    draws = answer.law["draw"].values
    found = []
    for column, old in zip(draws.T, windows, strict=True):
        low, high = np.quantile(column, [0.002, 0.998]) if len(column) else old
        room = 0.2 * (high - low)
        found.append((float(low - room), float(high + room)) if high > low else tuple(old))
    return tuple(found)


def _names(about: About) -> str:
    return ", ".join(v.name for v in (*about.x, *about.y))[:200]
