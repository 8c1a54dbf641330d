"""Rules of all pages: they ask no other host, also in a session that a websocket starts."""

import panel as pn
import pytest
from bokeh.document import Document
from bokeh.models import ImportedStyleSheet
from panel.io.state import set_curdoc

from workbench.ui.compare import compare
from workbench.ui.explorer_page import explorer
from workbench.ui.inversion_page import inverter
from workbench.ui.studio import studio


@pytest.mark.filterwarnings("ignore:The inplace keyword")  # of Panel's table, in pandas
@pytest.mark.parametrize("build", [studio, inverter, compare, explorer])
def test_style_sheets_come_from_the_server_before_any_html_is_rendered(build):
    document = Document()
    with set_curdoc(document):
        pn.panel(build()).server_doc(document)
    addresses = [sheet.url for sheet in document.models if isinstance(sheet, ImportedStyleSheet)]
    assert len(addresses) > 3
    assert [address for address in addresses if "://" in address] == []
