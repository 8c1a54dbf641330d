// What a page shows, by the models of its controls. Loaded into every page of the tests of controls.
window.wb = {
    views() {
        const found = new Map()
        const walk = (view, plot) => {
            found.set(view.model.id, view)
            if (view.model.type === "Figure") return
            for (const child of view.children?.() ?? []) walk(child)
        }
        for (const view of Bokeh.index) walk(view)
        return found
    },
    roots: () => [...Bokeh.index].map((view) => view.model.id),
    root: (view) => view.shadow_el ?? view.el,
    selector: "button, a[href], input, textarea, select, summary, [role=button], [role=combobox], [role=slider], " +
        "[tabindex='0']",
    seen(element) {
        if (!element) throw new Error("A control for files has no button that is known here")
        const box = element.getBoundingClientRect()
        return element.checkVisibility({visibilityProperty: true}) && box.width > 0 && box.height > 0
    },
    kind(element) {
        const type = element.getAttribute("type"), tag = element.tagName
        if (element.getAttribute("aria-hidden") === "true" || element.closest("[aria-hidden=true]")) return ""
        if (tag === "INPUT" && type === "range") return "slider"
        if (tag === "INPUT" && type === "checkbox") return "checkbox"
        if (element.getAttribute("role") === "combobox") return "select"
        if (tag === "TEXTAREA" || tag === "INPUT") return "text"
        if (tag === "SUMMARY") return "fold"
        if (tag === "A" && element.href) return "link"
        if (element.classList.contains("MuiToggleButton-root")) return "toggle"
        if (tag === "BUTTON" || element.getAttribute("role") === "button") return "button"
        return "unknown"
    },
    // interactive elements of one view, those of views inside it excluded
    elements(view) {
        const root = wb.root(view)
        if (!root?.querySelectorAll) return []
        if (root.querySelector(".tabulator")) return [[root.querySelector(".tabulator"), "table"]]
        const file = root.querySelector("input[type=file]")
        if (file) return [[file.closest("label") ?? root.querySelector("button, [role=button], label"), "file"]]
        const all = [...root.querySelectorAll(wb.selector)]
        return all.map((element) => [element, wb.kind(element)]).filter(([element, kind]) =>
            kind && !all.some((other) => other !== element && other.contains(element) && wb.kind(other)))
    },
    gestures(view) {
        const model = view.model, events = [...(model.subscribed_events ?? [])], kinds = []
        if (events.includes("tap")) kinds.push("tap")
        if (events.includes("selectiongeometry")) kinds.push("box")
        if (model.toolbar?.tools.some((tool) => tool.type === "FreehandDrawTool")) kinds.push("draw")
        return kinds
    },
    describe(id, view, element, kind, index) {
        const dead = element.disabled || element.getAttribute("aria-disabled") === "true" ||
            element.closest(".Mui-disabled") !== null
        const icon = element.querySelector(".material-icons, [class*=material-icons]")?.innerText ?? ""
        const name = view.model.type.endsWith("Player") ? element.className : element.getAttribute("aria-label")
        const words = (name || element.innerText || "").replace(icon, "").trim()
        return {id, index, kind, disabled: dead, words: kind === "table" ? "" : words.split("\n")[0],
            shown: wb.shown(element, kind), href: element.href ?? ""}
    },
    parts() {
        const parts = []
        for (const [id, view] of wb.views()) {
            if (view.model.type === "Figure") {
                if (wb.seen(view.el))
                    for (const kind of wb.gestures(view))
                        parts.push({id, index: 0, kind, disabled: false, words: "", shown: null, href: ""})
                continue
            }
            wb.elements(view).forEach(([element, kind], index) => {
                if (wb.seen(element)) parts.push(wb.describe(id, view, element, kind, index))
            })
        }
        return parts
    },
    element: ([id, index]) => {
        const view = wb.views().get(id)
        if (!view) return null
        return view.model.type === "Figure" ? view.el : wb.elements(view)[index]?.[0] ?? null
    },
    shown(element, kind) {
        if (kind === "slider") return [element.getAttribute("aria-valuetext") ?? "", element.value]
        if (kind === "checkbox") return element.checked
        if (kind === "text") return element.value
        if (kind === "toggle") return element.getAttribute("aria-pressed") === "true"
        if (kind === "select") {
            const chips = [...element.querySelectorAll(".MuiChip-label")].map((chip) => chip.innerText)
            return chips.length ? chips : element.innerText.replace(/\u200b/g, "").trim()
        }
        return null
    },
    // where a slider's handle is, and the box in which it moves
    rail(element) {
        const box = (element.closest(".MuiSlider-root") ?? element).getBoundingClientRect()
        const inset = element.closest(".MuiSlider-root") ? 1 : 9 // a native handle stays inside its box
        const low = Number(element.min), high = Number(element.max)
        return {x: box.x + inset, y: box.y, width: box.width - 2 * inset, height: box.height,
            share: high > low ? (Number(element.value) - low) / (high - low) : 0}
    },
}
