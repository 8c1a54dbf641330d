"""Badge: a colour, a word and round-trip errors that tell if the network can be inverted numerically."""

from __future__ import annotations

import panel as pn

from workbench.snapshots import VIEWS, Snapshot
from workbench.ui import text

WORDS = {
    "green": "invertible",
    "amber": "nearly invertible",
    "red": "not invertible",
    "unknown": "not measured",
    "none": "no inverse",
}
SIGNS = {"green": "✓", "amber": "!", "red": "✗", "unknown": "–", "none": "–"}


class Badge(pn.viewable.Viewer):
    """Pane with the errors of x → z → x and z → x → z (z: latents) and the fraction of points that are lost
    (error over 1e-3 or not finite)."""

    def __init__(self) -> None:
        super().__init__()
        self._pane = pn.pane.HTML(badge(None), margin=(4, 8, 4, 4), css_classes=["wb-badge-pane"])

    def show(self, snapshot: Snapshot | None, missing: str = "") -> None:
        """Update the badge to a snapshot; ``missing`` is the reason if the network has no inverse."""
        self._pane.object = badge(snapshot, missing)

    def __panel__(self):
        return self._pane


def badge(snapshot: Snapshot | None, missing: str = "") -> str:
    """Format a snapshot's round-trip errors as HTML, with a sentence on them as the tooltip.

    ``missing`` is the reason if the network has no inverse; it then is the tooltip.
    """
    if missing:
        return html("none", ("–", "–", "–"), missing)
    if snapshot is None or "invertibility_xzx" not in snapshot.arrays:
        return html("unknown", ("–", "–", "–"), "Round trips have not been measured yet.")
    data = VIEWS["invertibility"](snapshot)
    there, back = (text.number(float(v)) for v in data["largest"].values)
    lost_share = f"{100 * float(data['lost_share'].max()):.2g} %"
    return html(data.attrs["verdict"], (there, back, lost_share), data.attrs["sentence"])


def html(verdict: str, figures: tuple[str, str, str], sentence: str) -> str:
    """Format a verdict and the three numbers (error of x→z→x, error of z→x→z, fraction of points lost) as
    HTML, with ``sentence`` as the tooltip."""
    there, back, lost_share = figures
    return (
        f'<div class="wb-badge {verdict}" title="{text.escape(sentence)}">'
        f"<b>{SIGNS[verdict]} {WORDS[verdict]}</b>"
        f"<span>x→z→x {there}</span><span>z→x→z {back}</span><span>lost {lost_share}</span></div>"
    )
