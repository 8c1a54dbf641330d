"""The report: one complete, escaped file that a browser draws without a network."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest

import workbench as wb
from workbench.cli import main
from workbench.core.errors import ExportError
from workbench.export import FORMATS, export

SMALL = {"transforms": 2, "width": 8, "depth": 1}
MOST_BYTES = 5 * 2**20


def trained_run(problem, folder, steps: int = 60) -> wb.Run:
    run = wb.Run(
        wb.Experiment(
            problem,
            {"key": "realnvp", "settings": SMALL},
            "maximum_likelihood",
            {"samples": 600, "batch_size": 64, "validate_every": 20, "learning_rate": 0.01},
            steps=steps,
            seed=2,
        ),
        device="cpu",
    )
    for _ in run:
        pass
    run.save(folder)
    return run


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("told") / "run"
    trained_run("linear_gaussian", path)
    return path


@pytest.fixture(scope="module")
def report(folder):
    path = folder.parent / "report.html"
    assert main(["report", str(folder), "--out", str(path), "--json"]) == 0
    return path


def test_it_tells_the_whole_run(folder, report):
    text, run = report.read_text(encoding="utf-8"), wb.Run.resume(folder)
    for title in ("The experiment", "Learning", "What the network draws", "Diagnostics", "All settings"):
        assert f"<h2>{title}</h2>" in text
    assert "60 of 60 steps" in text and run.experiment.architecture.summary in text
    last = [r for r in run.history if "loss" in r.validation][-1]
    assert f"<td>{last.validation['loss']:.4g}</td>" in text
    for name, verdict in wb.diagnose(run).items():
        assert verdict.attrs["title"] in text and f"{verdict.attrs['verdict']}</td>" in text, name
    assert "<td>width</td><td>8</td><td>changed</td>" in text
    assert all(f"<td>{name}</td>" in text for name in ("torch", "zuko", "python"))
    assert len(text) < MOST_BYTES
    assert "Resimulated observations" in text and "Arms" not in text and "Velocity curve" not in text


def test_the_code_in_it_repeats_the_experiment(folder, report):
    from html import unescape

    code = unescape(re.search(r"<pre>(.*?)</pre>", report.read_text(encoding="utf-8"), re.DOTALL)[1])
    scope: dict = {}
    exec(code.partition("run = ")[0], scope)
    assert scope["experiment"].to_dict() == wb.Run.resume(folder).experiment.to_dict()


def test_nothing_in_it_points_outside(report):
    text = re.sub(r"<script.*?</script>", "", report.read_text(encoding="utf-8"), flags=re.DOTALL)
    assert not re.findall(r"<(?:link|img|iframe)|\bsrc=|\bhref=|@import|url\(", text)
    assert "default-src 'none'" in text


def test_a_browser_without_a_network_draws_every_figure(report, browser):
    requests, complaints = [], []
    context = browser.new_context(offline=True, viewport={"width": 1200, "height": 900})
    page = context.new_page()
    page.on("request", lambda request: requests.append(request.url))
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(report.as_uri())
    count = page.locator("figure").count()
    page.wait_for_function(
        "n => document.querySelectorAll('figure').length == n && Bokeh.documents.length == 1 && "
        "Bokeh.documents[0].is_idle",
        arg=count,
        timeout=120_000,
    )
    canvases = page.locator("figure canvas").all()
    opacities = [
        canvas.evaluate(
            "c => { const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;"
            " let n = 0; for (let i = 3; i < d.length; i += 4) n += d[i] > 0; return n }"
        )
        for canvas in canvases
    ]
    context.close()
    assert requests == [report.as_uri()] and not complaints
    # axes alone paint a few thousand; each figure has a canvas that holds more than a frame
    assert count >= 6 and sum(n > 2000 for n in opacities) >= count


def test_what_comes_from_a_table_is_escaped(tmp_path):
    generator = np.random.default_rng(0)
    name = "</script><img src=x onerror=alert(1)>"
    frame = pd.DataFrame({name: generator.normal(size=80), "b": generator.normal(size=80)})
    run = trained_run(wb.TableProblem(frame, x=[name], y=["b"]), tmp_path / "run", steps=2)
    text = wb.report(run, tmp_path / "report.html").read_text(encoding="utf-8")
    assert "<img" not in text and "&lt;/script&gt;&lt;img" in text
    assert text.count("<script") == text.count("</script>") == 2


def test_only_a_run_has_a_report(folder, tmp_path):
    with pytest.raises(ExportError, match="Only a run"):
        wb.report(wb.Run.resume(folder).fitted, tmp_path / "a.html")
    with pytest.raises(ExportError, match="nothing that is a folder"):
        wb.report(tmp_path / "none", tmp_path / "a.html")
    with pytest.raises(ExportError, match=r"FILE\.html"):
        wb.report(folder, tmp_path / "a.pdf")
    assert not list(tmp_path.iterdir())


def test_it_is_a_format_and_the_folder_is_left_as_it_was(folder, tmp_path):
    before = {p: p.stat().st_mtime_ns for p in folder.rglob("*")}
    export(folder, "report", tmp_path / "again.html")
    assert {p: p.stat().st_mtime_ns for p in folder.rglob("*")} == before
    assert FORMATS["report"].refusal("realnvp") == ""
