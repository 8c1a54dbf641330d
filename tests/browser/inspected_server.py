"""Serve all pages, and answer over HTTP what their sessions hold: the controls, and the state behind them.

Run as a script with the address of `workbench serve` as ``--port`` and the port of the answers as
``--inspect``. Nothing of the pages is replaced: the recording wraps what Panel and Param do anyway.
"""

from __future__ import annotations

import argparse
import json
import sys
import threading
import weakref
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import is_dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import module_from_spec, spec_from_file_location
from typing import Any

import numpy as np
import panel as pn
import param
from panel.io.notifications import NotificationAreaBase
from panel.widgets.base import WidgetBase
from tornado.ioloop import IOLoop

VIEWERS: dict[int, list[Any]] = {}  # by document: weak references to the components that were built for it
TOASTS: list[tuple[str, str]] = []
READS: dict[int, int] = {}  # by widget: how often the workbench has read its value
LOOP: list[IOLoop] = []
DEPTH, MOST = 6, 60
#: Parameters of what is shown that belong to the state of a page, beside a widget's value.
SHOWN = (
    "visible",
    "disabled",
    "loading",
    "label",
    "options",
    "disabled_options",
    "href",
    "start",
    "end",
    "direction",
    "dark_theme",
    "sidebar_open",
)


def record() -> None:
    """Record every component with the document that it was built for, reads of values and toasts."""
    build, get = pn.viewable.Viewer.__init__, param.Parameter.__get__

    def __init__(self: Any, **options: Any) -> None:
        build(self, **options)
        LOOP[:] = LOOP or [IOLoop.current()]
        VIEWERS.setdefault(id(pn.state.curdoc), []).append(weakref.ref(self))

    def __get__(self: Any, instance: Any, owner: Any = None) -> Any:
        if instance is not None and self.name in ("value", "selection") and isinstance(instance, WidgetBase):
            frame = sys._getframe(1)
            while frame.f_globals.get("__name__", "").startswith("param"):
                frame = frame.f_back
            if frame.f_globals.get("__name__", "").startswith("workbench."):
                READS[id(instance)] = READS.get(id(instance), 0) + 1
        return get(self, instance, owner)

    pn.viewable.Viewer.__init__, param.Parameter.__get__ = __init__, __get__
    for kind in ("error", "warning", "info", "success"):
        _record_toasts(kind)


def _record_toasts(kind: str) -> None:
    show = getattr(NotificationAreaBase, kind)

    def toast(self: Any, message: str, *arguments: Any, **options: Any) -> Any:
        TOASTS.append((kind, str(message)))
        return show(self, message, *arguments, **options)

    setattr(NotificationAreaBase, kind, toast)


# ---- what a session holds
def plain(value: Any) -> Any:
    """Return a value as JSON holds it; what it cannot hold becomes a short text."""
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, (float, np.floating, np.integer)):
        return float(value)
    if isinstance(value, Mapping):
        return {str(key): plain(each) for key, each in list(value.items())[:200]}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(each) for each in list(value)[:200]]
    if isinstance(value, np.ndarray):
        return f"array {value.shape} {hash(value.tobytes())}" if value.dtype != object else "array"
    if hasattr(value, "columns") and hasattr(value, "iloc"):
        return f"table {value.shape}"
    return f"<{type(value).__name__}>"


def state_of(instance: Any) -> dict[str, Any]:
    """Return the attributes of a component of the workbench and of its parts, by path."""
    result: dict[str, Any] = {}
    _walk(instance, type(instance).__name__, result, 0, {id(instance)})
    return result


def _walk(item: Any, path: str, result: dict[str, Any], depth: int, seen: set[int]) -> None:
    attributes = dict(vars(item)) if hasattr(item, "__dict__") else {}
    if isinstance(item, param.Parameterized):
        attributes |= item.param.values()
    for name, value in attributes.items():
        if not name.startswith(("_param", "__")) and name not in ("name", "param"):
            _put(value, f"{path}.{name}", result, depth, seen)


def _put(value: Any, path: str, result: dict[str, Any], depth: int, seen: set[int]) -> None:
    if value is None or isinstance(value, (bool, int, float, str, np.ndarray)):
        result[path] = plain(value)
    elif isinstance(value, (list, tuple, set, frozenset, dict)):
        values = list(value.values()) if isinstance(value, dict) else list(value)
        if not any(_is_ours(each) for each in values):
            result[path] = plain(value)
        else:
            result[path] = len(values)
            keys = list(value) if isinstance(value, dict) else range(len(values))
            for key, each in list(zip(keys, values, strict=False))[:MOST]:
                _put(each, f"{path}[{key}]", result, depth, seen)
    elif _is_ours(value) and depth < DEPTH and id(value) not in seen:
        if not is_dataclass(value):  # a record may stand in several places, under a name of its own in each
            seen.add(id(value))
        _walk(value, path, result, depth + 1, seen)


def _is_ours(value: Any) -> bool:
    ours = type(value).__module__.startswith("workbench.")
    return ours and not isinstance(value, (type, pn.viewable.Viewer))


def forms(viewer: Any) -> list[str]:
    """Return what a form shows that is not the value of its setting."""
    from workbench.ui.form import Form, to_widget

    if not isinstance(viewer, Form):
        return []
    return [
        f"{name}: {widget.value!r} is shown, the setting is {getattr(viewer.spec, name)!r}"
        for name, widget in viewer.widgets.items()
        if widget.value != to_widget(viewer.settings[name], getattr(viewer.spec, name))
    ]


def session(root: str) -> dict[str, Any]:
    """Return controls, state and faults of the page whose first root model has this id."""
    view, _, document, _ = pn.state._views[root]
    viewers = [each for each in (ref() for ref in VIEWERS.get(id(document), [])) if each is not None]
    state: dict[str, Any] = {}
    for number, viewer in enumerate(viewers):
        state |= {f"{number}.{path}": value for path, value in state_of(viewer).items()}
    controls, shown = {}, {}
    for component in view.select(lambda each: isinstance(each, pn.viewable.Viewable)):
        models = getattr(component, "_models", {})
        if root not in models:
            continue
        identity = models[root][0].id
        look = {name: getattr(component, name) for name in SHOWN if hasattr(component, name)}
        shown[identity] = plain(look)
        if hasattr(component, "objects"):
            shown[identity]["objects"] = [id(each) for each in component.objects]
        if isinstance(getattr(component, "object", None), str):
            shown[identity]["object"] = component.object
        if isinstance(component, WidgetBase):
            shown[identity]["value"] = plain(getattr(component, "value", None))
            shown[identity]["selection"] = plain(getattr(component, "selection", None))
            controls[identity] = shown[identity] | {
                "kind": type(component).__name__,
                "css": [name for name in component.css_classes if name.startswith("wb-")],
                "reads": READS.get(id(component), 0),
                "accept": str(getattr(component, "accept", "") or ""),
            }
    wrong = [sentence for viewer in viewers for sentence in forms(viewer)]
    return {"controls": controls, "shown": shown, "state": state, "wrong": wrong, "toasts": TOASTS}


# ---- answers
class Answer(BaseHTTPRequestHandler):
    """GET /ROOT answers with `session` of that page, taken between two events of the server's loop."""

    def do_GET(self) -> None:
        future: Future = Future()

        def take() -> None:
            try:
                future.set_result(session(self.path.strip("/")))
            except Exception as error:
                future.set_exception(error)

        LOOP[0].add_callback(take)
        try:
            body, status = json.dumps(future.result(120)).encode(), 200
        except Exception as error:
            body, status = repr(error).encode(), 500
        self.send_response(status)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Keep quiet: the log is the server's."""


def main() -> None:
    arguments = argparse.ArgumentParser()
    for name in ("--port", "--inspect"):
        arguments.add_argument(name, type=int, required=True)
    arguments.add_argument("--plant", default="", help="a file whose function plant() breaks the pages")
    options = arguments.parse_args()
    record()
    if options.plant:
        spec = spec_from_file_location("planted", options.plant)
        module = module_from_spec(spec)
        spec.loader.exec_module(module)
        module.plant()
    server = ThreadingHTTPServer(("127.0.0.1", options.inspect), Answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    from workbench.ui.serve import serve

    serve(options.port)


if __name__ == "__main__":
    main()
