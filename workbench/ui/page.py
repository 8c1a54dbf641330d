"""Preparation of a page before its components are built: extensions, style sheets of its own server."""

from __future__ import annotations

from typing import Any

import panel as pn
from bokeh.models import CustomJS
from panel.io.resources import LOCAL_DIST

from workbench.ui import style
from workbench.ui.notifications import on_exception

#: Gives a number field the focus anew after Enter. It takes only what is typed between getting the focus and
#: Enter; a second number would be shown and never arrive. What is no number is not left standing.
REFOCUS = """
window.addEventListener("keydown", (event) => {
    const field = event.composedPath()[0]
    if (event.key !== "Enter" || !(field instanceof HTMLInputElement)) return
    if (field.closest(".MuiInputBase-root")?.querySelectorAll("button").length !== 2) return
    const is_number = !isNaN(field.value)  // as typed: the field itself shows it with marks of thousands
    setTimeout(() => {
        field.blur()
        if (is_number) field.focus()
    }, 0)
}, {capture: true})
"""

#: Opens a menu by the keys that open menus. Panel's own component opens one by a click alone, so that who has
#: no mouse could choose nothing.
MENU_KEYS = """
window.addEventListener("keydown", (event) => {
    const menu = event.composedPath()[0]
    if (!["Enter", " ", "ArrowDown", "ArrowUp"].includes(event.key)) return
    if (!(menu instanceof HTMLElement) || !menu.matches(".MuiSelect-select[role=combobox]")) return
    if (menu.getAttribute("aria-expanded") === "true" || menu.getAttribute("aria-disabled") === "true") return
    event.preventDefault()
    setTimeout(() => {
        if (menu.getAttribute("aria-expanded") !== "true") menu.click()
    }, 0)
}, {capture: true})
"""

#: Chooses the next or the last row of a table by the arrow keys, where a click on a row chooses it. Tabulator
#: itself lets the table have the focus, and moves by keys among cells that can be edited alone.
ROW_KEYS = """
window.addEventListener("keydown", (event) => {
    const table = event.composedPath()[0]
    if (!["ArrowDown", "ArrowUp"].includes(event.key)) return
    if (!(table instanceof HTMLElement) || !table.matches(".tabulator-tableholder")) return
    const rows = [...table.querySelectorAll(".tabulator-row.tabulator-selectable")]
    if (table.querySelector(".tabulator-row input")) return  // boxes, which have keys of their own
    const at = rows.findIndex((row) => row.matches(".tabulator-selected"))
    const next = rows[event.key === "ArrowDown" ? at + 1 : at - 1]
    if (!next) return
    event.preventDefault()
    next.querySelector(".tabulator-cell").click()
    next.scrollIntoView({block: "nearest"})
}, {capture: true})
"""

#: Models that the server has sent are known to it. BokehJS takes them for its own new ones, and sends their
#: definition with the next change that refers to them: "reference already known", says the server's log.
KNOWN = """
const collect = (value, known) => {
    if (value === null || typeof value !== "object" || value instanceof ArrayBuffer) return
    if (ArrayBuffer.isView(value)) return
    if (value.type === "object" && value.id) known.add(value.id)
    for (const part of Object.values(value)) collect(part, known)
}
for (const page of Bokeh.documents) {
    const apply = page._apply_json_patch, models = page._new_models, add = models.add
    page._apply_json_patch = (patch, ...buffers) => {
        const known = new Set()
        collect(patch.events, known)
        models.add = (model) => known.has(model.id) ? models : add.call(models, model)
        try {
            apply.call(page, patch, ...buffers)
        } finally {
            delete models.add
        }
    }
}
"""


def prepare(*extensions: str, **options: Any) -> None:
    """Load Panel's extensions for a page, which shows errors as notifications.

    Every style sheet comes from the page's own server. Panel replaces the addresses of its content delivery
    network only when it renders a page's HTML. A session that a websocket starts has no HTML of its own: the
    first session has ended, since the browser took more than 15 s to connect or was away. Its page would ask
    a foreign host and stay unstyled. Here the address is set before the first component is built.
    """
    pn.extension(
        *extensions, notifications=True, raw_css=[style.SHEET], exception_handler=on_exception, **options
    )
    document = pn.state.curdoc
    if document is not None:
        document.template_variables["dist_url"] = LOCAL_DIST
        document.js_on_event("document_ready", CustomJS(code=REFOCUS + MENU_KEYS + ROW_KEYS + KNOWN))
