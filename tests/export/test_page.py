"""The page template: every text is escaped, and the file needs nothing but itself."""

from __future__ import annotations

import html
import re

import holoviews as hv
import pytest

from workbench.export.page import Code, Figures, Page, Paragraph, Picture, Table

TEXT = "<script>alert('x')</script> & \"y\""


def page_of(block) -> str:
    page = Page("Title")
    page.section("Section").append(block)
    return page.html()


@pytest.mark.parametrize(
    "block",
    [
        Paragraph(TEXT, ""),
        Paragraph("", TEXT),
        Paragraph("", "", TEXT),
        Paragraph("", "green", mark=TEXT),
        Code(TEXT),
        Table((TEXT, "b"), [("1", "2")]),
        Table((TEXT, "b"), [("1", "2")], fold=True),
        Table(("a", "b"), [("1", TEXT)]),
        Table(("a", "b"), [("1", TEXT)], mark=1),
    ],
    ids=lambda block: block.kind,
)
def test_every_text_of_a_block_is_escaped(block):
    text = page_of(block)
    assert "<script" not in text and TEXT in html.unescape(text)


def test_titles_lead_and_captions_are_escaped():
    hv.extension("bokeh")
    page = Page(TEXT)
    page.lead = TEXT
    page.section(TEXT).append(Figures([Picture(hv.Curve([1, 2, 3]), TEXT)]))
    text = page.html()
    assert text.count("<script") == text.count("</script>") == 2  # BokehJS, and the figures' data
    outside = re.sub(r"<script.*?</script>", "", text, flags=re.DOTALL)
    assert html.unescape(outside).count(TEXT) == 5  # title twice, lead, heading, caption


def test_code_keeps_its_lines():
    lines = "if x < 2:\n    pass\n\nprint('done')"
    assert html.unescape(re.search(r"<pre>(.*?)</pre>", page_of(Code(lines)), re.DOTALL)[1]) == lines


def test_a_page_without_figures_has_no_program():
    assert "<script" not in page_of(Paragraph("Bold.", "Text."))
