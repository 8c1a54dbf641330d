"""Palette, CSS rules and plot options that all pages share, for light and dark themes."""

import functools

THEME = {
    "light": {
        "palette": {
            "primary": {"main": "#1d5f8a"},
            "contrastThreshold": 4.5,
            "background": {"default": "#f6f7f9", "paper": "#ffffff"},
        }
    },
    "dark": {
        "palette": {
            "primary": {"main": "#6db3e0"},
            "contrastThreshold": 4.5,
            "background": {"default": "#14181d", "paper": "#1c2229"},
        }
    },
}

#: The header: 48 pixels high, so that six plots fit below it on a small screen.
PAGE_SX = {
    "& .MuiToolbar-root": {"minHeight": "48px !important", "height": "48px"},
    "& .MuiAppBar-root": {"backgroundColor": "#1d5f8a !important", "color": "#ffffff !important"},
    "& .MuiTypography-h3": {"fontSize": "1.15rem"},
}

#: CSS rules of all pages; as ``raw_css`` they reach the shadow root of every pane.
SHEET = """
:host { --wb-ink: var(--mui-palette-text-primary, inherit);
        --wb-soft: var(--mui-palette-text-secondary, #5a6572);
        --wb-line: var(--mui-palette-divider, #8885); }
/* a tooltip opens over the next button of a row: clicks and the mouse pass through it */
.MuiTooltip-popper { pointer-events: none !important; }
.wb-note, .wb-caption, .wb-name { color: var(--wb-soft); }
.wb-note { font-size: 12px; line-height: 1.35; }
.wb-source { border-bottom: 1px dotted currentColor; cursor: help; }
.wb-title { font-size: 13px; font-weight: 600; color: var(--wb-ink); white-space: nowrap;
            overflow: hidden; text-overflow: ellipsis; line-height: 20px; }
.wb-caption { font-weight: 400; font-size: 12px; margin-left: 6px; }
.wb-cells { display: flex; flex-wrap: nowrap; gap: 14px; align-items: flex-end; overflow: hidden;
            color: var(--wb-ink); }
.wb-cell { display: flex; flex-direction: column; flex: 0 0 auto; }
.wb-name { font-size: 11px; line-height: 14px; white-space: nowrap; }
.wb-value { font-size: 14px; line-height: 20px; white-space: nowrap; }
.wb-value.number { font-variant-numeric: tabular-nums; font-weight: 600; }
.wb-cell.last { flex: 1 1 0; min-width: 0; }
.wb-run-title { overflow: hidden; text-overflow: ellipsis; }
.wb-value.running { color: #1f9270; font-weight: 600; }
.wb-value.good { color: #2e7fcb; font-weight: 600; }
.wb-value.bad { color: #c9524a; font-weight: 600; }
.wb-badge { display: inline-flex; gap: 10px; align-items: center; border-radius: 6px; padding: 5px 10px;
            font-size: 12px;
            line-height: 18px; white-space: nowrap; border: 1.5px solid #868686; font-variant-numeric:
            tabular-nums;
            color: var(--wb-ink); }
.wb-badge.green { border-color: #1f9270; background: #1f927022; }
.wb-badge.amber { border-color: #c98a0c; background: #c98a0c22; }
.wb-badge.red { border-color: #c9524a; background: #c9524a22; }
.wb-sentence { font-size: 12px; line-height: 16px; color: var(--wb-ink); padding-left: 7px;
           border-left: 3px solid #868686; }
.wb-sentence.green { border-left-color: #1f9270; }
.wb-sentence.amber { border-left-color: #c98a0c; }
.wb-sentence.red { border-left-color: #c9524a; }
.wb-heading { font-size: 17px; font-weight: 600; color: var(--wb-ink); }
.wb-reason { font-size: 12px; color: #c9524a; }
.wb-message { font-size: 13px; padding: 5px 10px; border-radius: 6px; color: var(--wb-ink);
              background: #2e7fcb1f; border-left: 3px solid #2e7fcb; }
.wb-message.bad { background: #c9524a1f; border-left-color: #c9524a; }
.wb-table { font-size: 12px; border-collapse: collapse; width: 100%; color: var(--wb-ink); }
.wb-table th { text-align: left; font-weight: 400; color: var(--wb-soft); padding: 1px 8px 1px 0;
               white-space: nowrap; vertical-align: top; width: 72px; }
.wb-table td { padding: 1px 0; }
"""


@functools.cache
def dress_plots() -> None:
    """Set the pages' options for all plots, once per process, when the first page is built."""
    from workbench.plots.style import use_compact_figures

    use_compact_figures()
