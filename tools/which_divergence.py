"""Generate the page docs/which_divergence.md from the results under datasets/results; as a script, write it.

Every number and every verdict of the page is computed here from those files.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import xarray as xr  # noqa: E402

from workbench import studies  # noqa: E402
from workbench.divergences import DIVERGENCES  # noqa: E402
from workbench.studies.cell_means import apart, falls, grouped, span  # noqa: E402
from workbench.studies.table import number  # noqa: E402

RESULTS, PAGE = ROOT / "datasets" / "results", ROOT / "docs" / "which_divergence.md"
#: MMD² above which a cell of the study `every_divergence` counts as far from the exact distribution.
FAR_AWAY = 0.3
HOLDS, PARTLY, NOT, WITHDRAWN = "holds", "holds in part", "is not seen", "is withdrawn"


@dataclass(frozen=True)
class Guideline:
    """Advice of the VINA paper, the verdict of ``studies`` (keys) on it, and the numbers behind it."""

    advice: str
    verdict: str
    evidence: str
    studies: tuple[str, ...]

    @property
    def sentence(self) -> str:
        """The verdict and the number of training steps after which it was reached."""
        settings = [json.loads(result(key).attrs["settings"]) for key in self.studies]
        counts = sorted({s[name] for s in settings for name in ("own_steps", "steps") if name in s})
        return f"After {' or '.join(map(str, counts))} steps: this {self.verdict}."


def result(key: str) -> xr.Dataset:
    return studies.load(RESULTS / f"{key}_fast.nc")


def mean(data: xr.Dataset, column: str, **where: str | float) -> float:
    """Mean of a column over finished cells at ``where``, of data `with_rows`; NaN without any."""
    means = grouped(data, column, "study_row", **where)
    return float(np.mean(list(means.values()))) if means else float("nan")


def with_rows(key: str) -> xr.Dataset:
    """Return a study's stored result, with the numbers of its cells as ``study_row``, which `mean` needs."""
    data = result(key)
    return data.assign_coords(study_row=("cell", np.arange(data.sizes["cell"])))


def sentence(parts: list[str]) -> str:
    """Join parts by semicolons to a sentence, with a capital letter and a full stop."""
    whole = "; ".join(parts)
    return whole[0].upper() + whole[1:] + "."


def prior() -> Guideline:
    data = with_rows("prior_loss")
    names = ("mmd", "resimulation_distance", "spread")
    base = [mean(data, name, prior="none") for name in names]
    right, heavy = ([mean(data, n, prior="gaussian", weight=w) for n in names] for w in (1.0, 100.0))
    wrong = mean(data, "mmd", prior="uniform", weight=100.0)
    none = span(data, "mmd", prior="none")
    helps = apart(span(data, "mmd", prior="gaussian", weight=1.0), none) == "lower"
    harms = all(
        apart(span(data, "mmd", prior=p, weight=100.0), none) == "higher" for p in ("gaussian", "uniform")
    )
    values = [f"{number(mean(data, 'mmd', prior='law', weight=w))} at λ' = {w:g}" for w in (1.0, 100.0)]
    ours = (
        "Ours compares the distribution of all draws with that of x, by the energy distance, which the exact "
        f"posterior satisfies: MMD² is {' and '.join(values)}."
        if "law" in data["prior"].values
        else ""
    )
    return Guideline(
        "A loss that pulls draws towards the right prior helps at a moderate weight; a wrong prior, or a "
        "large weight, harms.",
        HOLDS if helps and harms else PARTLY if helps or harms else NOT,
        f"Right prior, λ' = 1: the distance to the target goes from {number(base[1])} to {number(right[1])}, "
        f"but MMD² to the exact posterior from {number(base[0])} to {number(right[0])}, and the draws from "
        f"{number(base[2])} to {number(right[2])} times the exact width. At λ' = 100 MMD² is "
        f"{number(heavy[0])} with the right prior and {number(wrong)} with the wrong one. The loss compares "
        "a draw with an x that has another latent, so that its minimiser is the posterior's mean. "
        f"{ours}".rstrip(),
        ("prior_loss",),
    )


def direction() -> Guideline:
    data = with_rows("architectures_and_divergences")
    parts, wins, wide = [], [], []
    for setting, name in (("printed", "as printed"), ("code", "as in the code"), ("ours", "ours")):
        ahead, back = (mean(data, "mmd", setting=setting, direction=d) for d in ("forward", "backward"))
        near, far = (
            mean(data, "resimulation_distance", setting=setting, direction=d) for d in ("backward", "forward")
        )
        wins.append(back < ahead)
        widths = [number(mean(data, "spread", setting=setting, direction=d)) for d in ("forward", "backward")]
        wide.append(f"{' and '.join(widths)} {name}")
        parts.append(
            f"{name}: MMD² {number(ahead)} forward and {number(back)} backward, distance to the target "
            f"{number(far)} and {number(near)}"
        )
    return Guideline(
        "Compare distributions of x (backward), not of latents (forward).",
        HOLDS if all(wins) else PARTLY if any(wins) else NOT,
        f"{sentence(parts)} Width of the draws over that of the exact posterior, forward and backward: "
        f"{', '.join(wide)}. MMD² has a bounded kernel and counts diverged draws like others that are "
        "wrong. The forward loss of the paper gives the critic T(x, 0), which lies on a surface, so that it "
        "can always separate it from (y, z). Ours pads nothing and takes the true y, and is "
        f"{'still behind' if wins[-1] else 'not behind'} after so few steps.",
        ("architectures_and_divergences",),
    )


def blocks() -> Guideline:
    data = with_rows("architectures_and_divergences")
    kinds = ("coupling", "residual")
    options = {"divergence": "jensen_shannon", "direction": "backward"}
    clock = [60 * mean(data, "training_minutes", architecture=kind, **options) for kind in kinds]
    mmd = [mean(data, "mmd", architecture=kind, **options) for kind in kinds]
    return Guideline(
        "Couplings are more efficient than residual blocks.",
        WITHDRAWN,
        f"Jensen-Shannon, backward, as many steps: {number(clock[0])} s of training against "
        f"{number(clock[1])} s, MMD² {number(mmd[0])} against {number(mmd[1])}. These are not results after "
        "equal processor time: until those are measured, nothing follows about efficiency. Residual blocks "
        "bound the slopes of the map and of its inverse, which couplings do not.",
        ("architectures_and_divergences",),
    )


def latents() -> Guideline:
    data = with_rows("latent_dimension")
    worst, parts, best = {}, [], []
    for divergence in ("kl", "sinkhorn"):
        curve = grouped(data, "mmd", "latents", divergence=divergence, setting="code")
        worst[divergence] = max(curve.values()) - min(curve.values())
        numbers = ", ".join(f"{number(v)} ({k})" for k, v in curve.items())
        parts.append(f"{DIVERGENCES[divergence].title} {numbers}")
        best.append(f"{min(curve, key=curve.get)} with {DIVERGENCES[divergence].title}")
    steep = grouped(data, "lipschitz", "latents", divergence="kl", setting="code")
    return Guideline(
        "Tune the number of latents; Sinkhorn depends on it less than KL.",
        HOLDS if worst["sinkhorn"] < worst["kl"] else NOT,
        f"MMD² as in the code, number of latents in brackets: {'; '.join(parts)}. The arm needs two; the "
        f"smallest MMD² is at {' and '.join(best)}. More latents are padding that must be learnt to be "
        f"ignored, but they also widen the network: with KL its largest slope is {number(steep[min(steep)])} "
        f"at {min(steep)} latents and {number(steep[max(steep)])} at {max(steep)}.",
        ("latent_dimension",),
    )


def entropy() -> Guideline:
    data = with_rows("entropic_regularisation")
    parts, less, slower, steadier, clocks = [], [], [], [], []
    for kind in ("debiased", "biased"):
        for setting, name in (("code", "as in the code"), ("ours", "ours")):
            near, right, wide = (
                grouped(data, column, "entropy", kind=kind, setting=setting)
                for column in ("resimulation_distance", "mmd", "spread")
            )
            low, high = min(right), max(right)
            clock = grouped(data, "training_minutes", "entropy", kind=kind, setting=setting)
            slower.append(clock[low] > clock[high])
            clocks.append(f"{number(60 * clock[low])} s and {number(60 * clock[high])} s ({kind}, {name})")
            if kind == "debiased":
                less.append(right[low] < right[high])
            else:
                other = grouped(data, "mmd", "entropy", kind="debiased", setting=setting)
                steadier.append(all(other[e] < right[e] for e in right))
            parts.append(
                f"{kind}, {name}: from {low:g} to {high:g} MMD² goes from {number(right[low])} to "
                f"{number(right[high])} ({falls(right)} of {len(right) - 1} steps down), the distance to the "
                f"target from {number(near[low])} to {number(near[high])}, the width from "
                f"{number(wide[low])} to {number(wide[high])}"
            )
    return Guideline(
        "Less entropy (smaller ε) in Sinkhorn is better but slower; the debiased divergence is more stable.",
        HOLDS if all(less + slower + steadier) else PARTLY if any(less) else NOT,
        f"{sentence(parts)} Training takes {', '.join(clocks)} at the smallest and at the largest ε. Not "
        f"debiased, MMD² is larger at {'every' if all(steadier) else 'not every'} ε. The verdict asks for "
        "all three: a smaller MMD² of the debiased divergence at the smallest ε, more time there, and that "
        "debiasing helps throughout.",
        ("entropic_regularisation",),
    )


def supports() -> Guideline:
    data = with_rows("disjoint_supports")
    far = int(max(data["offset"].values))
    code = [mean(data, "mmd", setting="code", divergence=d, offset=10) for d in ("kl", "sinkhorn")]
    progress, width = (
        grouped(data, name, "divergence", setting="ours", offset=far) for name in ("crossed", "width")
    )
    there = [d for d in progress if progress[d] > 0.95]
    groups = {
        "arrive with the right width": [d for d in there if 0.8 < width[d] < 1.25],
        "arrive with another width": [d for d in there if not 0.8 < width[d] < 1.25],
        "do not arrive": [d for d in progress if d not in there],
    }
    titles = [
        f"{', '.join(f'{DIVERGENCES[d].title} ({number(width[d])})' for d in members)} {what}"
        for what, members in groups.items()
        if members
    ]
    ratios = {"kl", "jensen_shannon"} & set(progress)
    transport = {"sinkhorn", "energy_distance", "wasserstein_critic"} & set(progress)
    outcomes = code[1] < code[0], not ratios & set(there), transport <= set(there)
    return Guideline(
        "Where supports may not meet, use a loss of optimal transport.",
        HOLDS if all(outcomes) else PARTLY if any(outcomes) else NOT,
        f"As in the code, latent U(10, 11): MMD² {number(code[0])} with KL, {number(code[1])} with Sinkhorn. "
        f"Ours, from U({far}, {far + 1}), width over that of the data in brackets: {'; '.join(titles)}. KL "
        "and Jensen-Shannon descend the exact gradient there, which vanishes where the supports do not meet; "
        "in the code the critic's gain is climbed instead, which moves the latent all the same.",
        ("disjoint_supports",),
    )


def moments() -> Guideline:
    data = with_rows("moments")
    real = with_rows("realisable_moments")
    parts, more = [], []
    for name, part, where in (
        ("the second network, as in the code", data, {"network": "second", "setting": "code"}),
        ("maximum likelihood", data, {"setting": "likelihood"}),
        ("a flow that can be exact", real, {}),
    ):
        w1, relative = (
            {a: v for a, v in grouped(part, column, "alpha", **where).items() if a > 1}
            for column in ("w1", "w1_relative")
        )
        low, high = min(w1), max(w1)
        parts.append(
            f"{name}: W1 {number(w1[low])} at α = {low} and {number(w1[high])} at α = {high}, relative to "
            f"the width of the data {number(relative[low])} and {number(relative[high])}"
        )
        more.append((w1[low] > w1[high], relative[low] > relative[high]))
    return Guideline(
        "Fewer finite moments of the data, larger W1.",
        HOLDS if all(all(pair) for pair in more) else PARTLY if any(pair[0] for pair in more) else NOT,
        sentence(parts) + " The width of the data falls as α rises, and W1 with it: the verdict asks whether "
        "W1 falls relative to it as well. Flows with normal latents cannot represent a Pareto distribution, "
        "so that the paper's figure agrees with the theorem without testing it.",
        ("moments", "realisable_moments"),
    )


def metric() -> Guideline:
    """Return the guideline on metrics, this project's, from the four studies on the robot arm."""
    parts, other, same = [], [], []
    keys = ("prior_loss", "architectures_and_divergences", "latent_dimension", "entropic_regularisation")
    for key in keys:
        data = with_rows(key)
        by = "title"
        near, right, wide = (grouped(data, name, by) for name in ("resimulation_distance", "mmd", "spread"))
        best, exact = min(near, key=near.get), min(right, key=right.get)
        other.append(best != exact)
        if best == exact:
            same.append(f"In the study {data.attrs['study_title']} both prefer {best}.")
        else:
            parts.append(
                f"{data.attrs['study_title']}: nearest to the target is {best} ({number(near[best])}, MMD² "
                f"{number(right[best])}, width {number(wide[best])}), nearest to the exact posterior {exact} "
                f"({number(near[exact])}, MMD² {number(right[exact])}, width {number(wide[exact])})"
            )
    return Guideline(
        "Use more metrics than the distance to the target (ours, not the paper's).",
        HOLDS if all(other) else PARTLY if any(other) else NOT,
        " ".join([sentence(parts) if parts else "Both metrics prefer the same row in every study.", *same]),
        keys,
    )


GUIDELINES: tuple[Callable[[], Guideline], ...] = (
    prior, direction, blocks, latents, entropy, supports, moments, metric,
)  # fmt: skip


def ranking() -> tuple[list[str], list[list[str]], str, str]:
    """Rank all divergences by their mean rank in MMD².

    Returns the table's heading and rows; the networks and problems that it averages over, as text; and the
    number of runs per problem, network and divergence, as text.
    """
    data = with_rows("every_divergence")
    results = data.isel(cell=data["status"].values == "done")
    groups = list(dict.fromkeys(zip(results["problem"].values, results["network"].values, strict=True)))
    ranks: dict[str, list[int]] = {}
    whole = set(data["divergence"].values)
    orders = {
        (problem, network): grouped(results, "mmd", "divergence", problem=problem, network=network)
        for problem, network in groups
    }
    # a rank among some of them cannot be compared with one among all
    orders = {pair: order for pair, order in orders.items() if order.keys() == whole}
    pairs = zip(results["problem"].values, results["network"].values, strict=True)
    results = results.isel(cell=np.array([pair in orders for pair in pairs]))
    for order in orders.values():
        for place, key in enumerate(sorted(order, key=order.get), 1):
            ranks.setdefault(key, []).append(place)
    problems = list(dict.fromkeys(problem for problem, _ in orders))
    lines = []
    for key in sorted(ranks, key=lambda k: np.mean(ranks[k])):
        means = [number(mean(results, "mmd", divergence=key, problem=problem)) for problem in problems]
        seconds = 60 * mean(results, "training_minutes", divergence=key)
        lines.append([DIVERGENCES[key].title, f"{np.mean(ranks[key]):.1f}", *means, number(seconds)])
    by_network: dict[str, list[str]] = {}
    for problem, network in orders:
        by_network.setdefault(network, []).append(problem.replace("_", " "))
    cells = "; ".join(f"{network} on {', '.join(names)}" for network, names in by_network.items())
    columns = ("problem", "network", "divergence")
    often = Counter(zip(*(results[name].values for name in columns), strict=True)).values()
    few, most = min(often), max(often)
    times = "one run" if most == 1 else f"{most} runs" if few == most else f"{few} to {most} runs"
    head = ["divergence", "mean rank", *(f"{p.replace('_', ' ')}: MMD²" for p in problems), "training [s]"]
    return head, lines, cells, times


def rows_far_away() -> str:
    """Return a sentence on the rows of the study `every_divergence` with an MMD² above `FAR_AWAY`."""
    data = with_rows("every_divergence")
    mmd = data["mmd"].values
    far = data.isel(cell=np.flatnonzero((data["status"].values == "done") & (mmd > FAR_AWAY)))
    places: dict[str, list[str]] = {}
    for cell in range(far.sizes["cell"]):
        row = far.isel(cell=cell)
        where = f"{row['network'].item()} on {row['problem'].item().replace('_', ' ')} ({number(row['mmd'])})"
        places.setdefault(DIVERGENCES[row["divergence"].item()].title, []).append(where)
    if not places:
        return f"No row ends with an MMD² above {FAR_AWAY}."
    rows = "; ".join(f"{title} with {', '.join(cells)}" for title, cells in places.items())
    return f"Far away, with an MMD² above {FAR_AWAY} (in brackets), ended: {rows}."


def page() -> str:
    """Return the whole page in Markdown."""
    head, lines, cells, times = ranking()
    setting = json.loads(result("every_divergence").attrs["settings"])
    table = "".join(
        "| " + " | ".join(row) + " |\n" for row in (head, ["---"] + ["---:"] * (len(head) - 1), *lines)
    )
    sections = [make() for make in GUIDELINES]
    rules = "".join(f"### {g.advice}\n\n**{g.sentence}** {g.evidence}\n\n" for g in sections)
    short = "".join(f"- {g.advice} *{g.sentence}*\n" for g in sections)
    best, last = ", ".join(line[0] for line in lines[:3]), ", ".join(line[0] for line in lines[-3:])
    return f"""# Which divergence?

Results of the case studies of this repository on the choice of a divergence, and the advice of the VINA paper
(arXiv:2602.20480, section 4.1) that they bear out or not. All numbers are read from the files under
`datasets/results`, each of which has a card beside it; `python tools/which_divergence.py` writes this
page. The settings are the **fast** ones, small networks and short training: they show what a choice does
early on, with one or two seeds, not where long training ends.

Four metrics are used. *Distance to the target*, mean ‖f(x̂) − y‖, is the paper's; a posterior that is far too
narrow is perfect by it. *MMD²* and *C2ST* compare draws with the exact posterior; 0 and ½ are perfect.
*Width* is the standard deviation of the draws over that of the exact ones; 1 is right.

## In short

{short}
## All divergences

Mean rank by MMD² to the exact distribution over these: {cells}. Each was trained for {setting["steps"]} steps
of {setting["batch_size"]}, {times} of each. In front: {best}. Last: {last}.
After this few steps the order shows which divergence learns fast from the defaults. A table to sort is on the
page that `make compare` opens.

{table}
{rows_far_away()}

## The paper's advice, and the results here

{rules}"""


def main() -> None:
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(page(), encoding="utf-8")
    print(PAGE)


if __name__ == "__main__":
    main()
