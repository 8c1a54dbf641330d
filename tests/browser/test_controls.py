"""Every control of every page, found by the test, works by mouse and keyboard; by default one of each kind.

The pages are those of a real server. `operation.Operator` finds the controls and operates them; what fails a
test: an error on the page, in the browser's console or in the server's log, a request to another host, a
control without an effect, and a value that is not the session's.
"""

from __future__ import annotations

import io
import itertools
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from playwright.sync_api import expect

from tests.browser.conftest import free_port, serving
from tests.browser.operation import SCRIPT, Operator
from tests.conftest import guarded_context
from workbench.architectures import ARCHITECTURES
from workbench.objectives import OBJECTIVES
from workbench.problems import PROBLEMS
from workbench.training import Experiment, Run, RunFolder, refusals

pytestmark = [pytest.mark.browser, pytest.mark.timeout(1800)]
SERVER = str(Path(__file__).with_name("inspected_server.py"))


@pytest.fixture(scope="module")
def server(home: Path) -> Iterator[SimpleNamespace]:
    """A server that says what its sessions hold, with two short runs in its home."""
    run_with_observation(home)
    run_with_observation(home)
    port, inspect = free_port(), free_port()
    command = [SERVER, "--port", str(port), "--inspect", str(inspect)]
    with serving(home.parent, port, *command) as address:
        yield SimpleNamespace(address=address, inspect=f"http://localhost:{inspect}", home=home)


def run_with_observation(home: Path) -> Run:
    problem = PROBLEMS.make("gaussian_linear", features=2)
    run = Run(Experiment(problem, "realnvp", training={"samples": 1000}, steps=1), device="cpu")
    run.attach(RunFolder.create(home / "runs"))
    run.step()
    run.save()
    return run


@pytest.fixture
def open_page(browser, server, tmp_path) -> Iterator:
    """Open a page of the server and return its `Operator`."""
    samples = Samples(tmp_path, server.home)
    with guarded_context(browser) as context:
        context.add_init_script(path=SCRIPT)
        context.grant_permissions(["clipboard-read", "clipboard-write"])

        def open_(path: str, mark: str, **options) -> Operator:
            page = context.new_page()
            page.set_default_timeout(120_000)
            page.goto(server.address + path)
            page.wait_for_selector("#loader", state="hidden")
            page.wait_for_selector(mark)
            page.wait_for_timeout(1500)
            return Operator(page, server.inspect, samples, **options)

        yield open_


class Samples:
    """Files for the controls that take one, by the endings that they accept."""

    def __init__(self, folder: Path, home: Path) -> None:
        self.folder, self.home = folder, home

    def __call__(self, accept: str) -> Path | None:
        if ".csv" in accept:
            path = self.folder / "table.csv"
            rows = np.random.default_rng(0).normal(size=(60, 2))
            np.savetxt(path, rows, delimiter=",", header="a,b", comments="")
            return path
        if ".zip" in accept:
            from workbench.ui import example

            return example.FOLDER / example.POSTERIOR
        return None


def report(title: str, operator: Operator, names: list[str]) -> None:
    means = "keyboard" if operator.keyboard else "mouse"
    print(f"{title}: {len(names)} controls by {means}")
    for name in names:
        print("   ", name)
    assert not operator.faults, "\n".join(operator.faults)
    assert names


#: An experiment with an observation and a critic, for a studio with most kinds of controls.
LINK = Experiment("inverse_kinematics", "realnvp", "variational").to_link()
PAGES = {
    "studio": (f"?e={LINK}", ".wb-iteration"),
    "explorer": ("posterior", ".wb-view-corner canvas"),
    "inversion": ("inversion", ".wb-source"),
    "comparison": ("compare", ".wb-compare-table"),
}
#: A model is compared with one of the same problem.
CHOICES = {"wb-model": "Gaussian mean", "wb-second": "Gaussian mean"}
#: What the sample leaves to the journey, since a worker has to start for it.
IN_JOURNEY = r"wb-import|wb-play|wb-step"


@pytest.mark.parametrize("name", PAGES)
def test_every_kind_of_control_works_by_mouse(open_page, name):
    operator = open_page(*PAGES[name], choices=CHOICES, sample=True, skip=IN_JOURNEY)
    report(f"{name.capitalize()}, a control of each kind", operator, operator.operate_all())


@pytest.mark.slow
@pytest.mark.parametrize("name", PAGES)
def test_every_control_works_by_mouse(open_page, name):
    operator = open_page(*PAGES[name], choices=CHOICES)
    report(name.capitalize(), operator, operator.operate_all())
    for identity, (file_name, path) in operator.downloads.items():
        check_content(identity, Path(file_name).suffix, path.read_bytes())


def check_content(identity: str, suffix: str, content: bytes) -> None:
    """Check that a downloaded file is what its name says."""
    print(f"    {identity}: {len(content)} bytes of {suffix}")
    if suffix in (".json", ".ipynb"):
        assert json.loads(content)
    elif suffix == ".zip":
        assert zipfile.ZipFile(io.BytesIO(content)).testzip() is None
    elif suffix == ".py":
        compile(content, identity, "exec")
    elif suffix == ".html":
        assert b"</html>" in content
    assert len(content) > 200, identity


def choose(page, css: str, *labels: str) -> None:
    """Choose entries of a menu that takes several."""
    page.locator(f".{css} [role=combobox]").click()
    entries = page.locator("[role=option], [role=menuitem]").locator("visible=true")
    for label in labels:
        entries.filter(has_text=label).first.click()
    entries.first.press("Escape")  # an entry that is chosen leaves the menu, and the focus with it
    expect(entries).to_have_count(0)


@pytest.mark.slow
def test_a_table_is_uploaded_with_kinds_and_missing_values(open_page, server):
    """The form of a table: a name that leads elsewhere, proposals of kinds, rows that miss a value."""
    operator = open_page("", ".wb-card canvas", skip=r"^(?!.*(wb-column|period of|wb-leave-out))")
    page, rows = operator.page, np.random.default_rng(0)
    text = "depth [m],rate,angle [deg],group,count\n"
    for i in range(80):
        rate = "" if i < 5 else f"{np.exp(3 * rows.normal()):.6g}"
        text += f"{rows.normal():.5f},{rate},{rows.uniform(0, 360):.3f},{'abc'[i % 3]},{i % 7}\n"
    page.locator(".wb-problem .MuiSelect-select").click()
    page.get_by_role("menuitem", name="Your own table").click()
    field = page.locator(".wb-table-file input[type=file]")
    field.set_input_files([{"name": "../../rates.csv", "mimeType": "text/csv", "buffer": text.encode()}])
    note = page.locator(".wb-table-note")
    expect(note).to_contain_text("80 rows, 5 columns", timeout=120_000)
    choose(page, "wb-columns-x", "depth", "rate")
    choose(page, "wb-columns-y", "angle", "group", "count")
    expect(note).to_contain_text("5 of 80 rows have no number", timeout=120_000)
    kinds = operator.values("Menu")
    assert {name: kinds[name] for name in ("rate", "angle", "group", "count")} == {
        "rate": "log", "angle": "period", "group": "categories", "count": "whole",
    }  # fmt: skip
    page.locator(".wb-leave-out button").click()
    expect(note).to_contain_text("5 of 80 rows are left out", timeout=120_000)
    report("Studio, form of a table", operator, operator.operate_all())
    assert not list(server.home.parent.rglob("rates.csv"))


@pytest.mark.slow
def test_live_settings_reach_a_running_run(open_page):
    """Every control with the mark of a live setting changes the run while it trains, and its log says so."""
    operator = open_page("", ".wb-card canvas", skip=r"^(?!.*⚡)")
    page = operator.page
    page.locator(".wb-play button").click()
    operator.wait_for("session.status.state", lambda state: state == "running")
    live = [part for part in operator.parts() if "⚡" in part.identity]
    for part in live:
        operator.operate(part)
        name, value = part.control["css"][0].removeprefix("wb-set-"), operator.values()[part.control["label"]]
        words = f".{name} is now {value}."
        operator.wait_for("session.status.message", lambda message, words=words: message.endswith(words))
    page.locator(".wb-pause button").click()
    operator.wait_for("session.status.state", lambda state: state == "paused")
    report("Studio, live settings", operator, [part.identity for part in live])


@pytest.mark.slow
@pytest.mark.parametrize("name", PAGES)
def test_every_control_works_by_keyboard(open_page, name):
    operator = open_page(*PAGES[name], choices=CHOICES, keyboard=True)
    report(name.capitalize(), operator, operator.operate_all())


def fitting_experiment(objective: str) -> Experiment:
    """Return an experiment with this objective, on a problem with an observation where it can have one."""
    names = ["inverse_kinematics", "two_moons", *PROBLEMS.keys()]
    for problem, architecture in itertools.product(names, ARCHITECTURES.keys()):
        parts = PROBLEMS.make(problem), ARCHITECTURES.make(architecture), OBJECTIVES.make(objective)
        if not PROBLEMS[problem].unavailable() and not parts[0].refusals() and not refusals(*parts):
            return Experiment(*parts)
    raise AssertionError(f"Nothing fits the objective {objective}")


@pytest.mark.slow
@pytest.mark.parametrize("keyboard", [False, True], ids=["mouse", "keyboard"])
@pytest.mark.parametrize("objective", OBJECTIVES.keys())
def test_every_setting_works_under_every_objective(open_page, objective, keyboard):
    link = fitting_experiment(objective).to_link()
    operator = open_page(
        f"?e={link}", ".wb-iteration", keyboard=keyboard, skip=r"^(?!.*(wb-set-|wb-section))"
    )
    report(f"Studio, {OBJECTIVES[objective].title}", operator, operator.operate_all())


#: File controls: page, page within it, class of the control, class of the message, ending and bytes too many.
UPLOADS = {
    "table": ("", "Train", "wb-table-file", "wb-table-note", ".csv", 64 * 2**20),
    "import": ("", "Export", "wb-import", "wb-import-note", ".zip", 64 * 2**20),
    "model": ("posterior", "Posterior", "wb-model-file", "wb-status", ".zip", 64 * 2**20),
    "observation": ("posterior", "File", "wb-observation-file", "wb-observation-message", ".csv", 16 * 2**20),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", UPLOADS)
def test_a_file_that_is_too_large_is_refused_in_a_sentence(open_page, tmp_path, name):
    path, button, css, message, suffix, limit = UPLOADS[name]
    page = open_page(path, ".wb-pages").page
    page.get_by_role("button", name=button, exact=True).first.click()
    if name == "table":
        page.locator(".wb-problem .MuiSelect-select").click()
        page.get_by_role("menuitem", name="Your own table").click()
    with open(tmp_path / f"large{suffix}", "wb") as file:
        file.write(b"a,b\n1,2\n")
        file.truncate(limit + 1)
    page.locator(f".{css} input[type=file]").set_input_files(tmp_path / f"large{suffix}")
    # beside the control, or in a notification: the explorer's line also tells of the model that is opened
    place = page.locator(f".{message}, .notistack-Snackbar, [role=alert]")
    expect(place.filter(has_text="too large").first).to_be_visible(timeout=240_000)
