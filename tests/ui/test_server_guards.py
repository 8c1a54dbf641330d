"""Requests that pages of other sites can make a browser send, to a real server: none starts anything."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from bokeh.util.token import generate_jwt_token

from tests.ui.raw_requests import CLOSE, Target, free_port, serving
from workbench.training import Experiment
from workbench.ui import guards

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def server() -> Iterator[Target]:
    guards.install()
    guards.install()  # which changes nothing
    with serving({"websocket_origin": ["studio.example.org", "*.wide.example", "10.1.2.3:8443"]}) as target:
        yield target


@pytest.fixture(scope="module")
def token(server) -> str:
    """Of a session; it opens as many websockets as one likes."""
    return server.get().token


# ---- the name
OWN = ["localhost", "LOCALHOST:7", "127.0.0.1:5006", "127.8.9.1", "studio.example.org"]
OWN += ["studio.example.org:443", "a.wide.example", "10.1.2.3:8443"]
FOREIGN = ["evil.example", "evil.example:5006", "localhost.evil.example", "evil.localhost", "localhost."]
FOREIGN += [
    "0.0.0.0:5006",
    "192.168.1.5",
    "8.8.8.8",
    "2130706433",
    "0x7f.1",
    "[2001:db8::1]",
    "[::ffff:1.2.3.4]",
]
FOREIGN += ["studio.example.org.evil.example", "studio.example.org:5006", "a.b.evil.example", "10.1.2.3", ""]
FOREIGN += ["localhost:999999", "localhost:", "[::1", "xn--localhost"]
MALFORMED = ["localhost@evil.example", "evil.example@localhost", "localhost evil", "localhost, evil.example"]
MALFORMED += ["localhost/evil.example", "\xf8localhost"]


@pytest.mark.parametrize("host", OWN)
def test_a_server_answers_to_its_names(server, host):
    assert server.get("/favicon.ico", host=host).status == 200


@pytest.mark.parametrize("host", FOREIGN + MALFORMED)
def test_a_server_does_not_answer_to_other_names(server, host):
    answer = server.get("/favicon.ico", host=host)
    assert answer.status == (400 if host in MALFORMED else 403)
    if host == "evil.example:5006":
        assert "does not answer to the name 'evil.example:5006'" in answer.body
        assert "--origin evil.example:5006" in answer.body
        assert answer.headers["content-type"].startswith("text/plain")


@pytest.mark.parametrize(
    "path", ["/", "/ws", "/metadata", "/autoload.js?bokeh-autoload-element=a", "/nothing"]
)
def test_every_path_asks_for_the_name(server, path):
    assert server.get(path, host="evil.example").status == 403


def test_static_files_ask_for_the_name(server):
    path = "/static/js/bokeh.min.js"
    assert server.get(path).status == 200 and server.get(path, host="evil.example").status == 403


@pytest.mark.parametrize("method", ["HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"])
def test_every_method_asks_for_the_name(server, method):
    assert server.get(method=method, host="evil.example", Content_Length="0").status == 403


def test_what_a_request_says_of_its_name_elsewhere_does_not_count(server):
    evil = {"host": "evil.example", "X_Forwarded_Host": "localhost", "Forwarded": "host=localhost"}
    assert server.get("/favicon.ico", **evil).status == 403
    assert (
        server.send(f"GET /favicon.ico HTTP/1.1\nHost: localhost\nHost: evil.example\n{CLOSE}").status == 400
    )
    assert server.send(f"GET http://localhost/ HTTP/1.1\nHost: evil.example\n{CLOSE}").status == 403
    assert server.send(f"GET /favicon.ico HTTP/1.1\n{CLOSE}").status == 400
    assert server.send("GET /favicon.ico HTTP/1.0\n\n").status == 403


def test_over_the_network_an_address_is_a_name():
    for host in ("192.168.1.5:5006", "[2001:db8::1]:80"):
        assert guards.is_own(host, (), over_network=True) and not guards.is_own(host, ())
    for host in ("0.0.0.0:5006", "[::]:5006", "evil.example", "192.168.1.5.evil.example"):
        assert not guards.is_own(host, (), over_network=True)


def test_an_address_of_ipv6_is_told_of_a_name(server):
    """Panel's pages cannot read the port of such an address, and would answer with an error."""
    answer = server.get("/", host=f"[::1]:{server.port}")
    assert answer.status == 403 and "Expected: a name, such as localhost" in answer.body


# ---- the origin
def test_the_own_page_opens_its_websocket(server, token):
    status, reply = server.websocket(token, origin=f"http://{server.own}")
    assert status == 101 and "ACK" in reply


@pytest.mark.parametrize(
    "host, origin",
    [
        ("localhost:8000", "http://localhost:8000"),  # a tunnel
        ("studio.example.org", "https://studio.example.org"),  # a proxy that passes the name on
        ("127.0.0.1:{port}", "https://studio.example.org"),  # and one that does not
        ("localhost:{port}", None),  # a program, not a browser
    ],
)
def test_a_websocket_of_its_own_page_is_opened(server, token, host, origin):
    names = [text and text.format(port=server.port) for text in (host, origin)]
    status, reply = server.websocket(token, host=names[0], origin=names[1])
    assert status == 101 and "ACK" in reply


@pytest.mark.parametrize(
    "host, origin",
    [
        ("evil.example:{port}", "http://evil.example:{port}"),  # rebound
        ("evil.example", "http://evil.example"),
        ("localhost:{port}", "http://evil.example:{port}"),
        ("evil.example:{port}", "http://localhost:{port}"),
        ("localhost:{port}", "null"),
        ("localhost:{port}", "file://"),
        ("localhost:{port}", "http://localhost:3000"),
        ("localhost:{port}", "http://localhost:{port}.evil.example"),
        ("localhost:{port}", "http://localhost:{port}@evil.example"),
        ("localhost:{port}", "http://evil.example/localhost:{port}"),
        ("localhost:{port}", "chrome-extension://localhost:{port}"),
        ("localhost:{port}", "http://[::1"),
        ("localhost:{port}", ""),
    ],
)
@pytest.mark.parametrize("site", [None, "same-origin", "none"])
def test_a_websocket_of_another_page_is_refused(server, token, host, origin, site):
    """Also where the browser, deceived by the name, takes the page for the server's own."""
    host, origin = (text.format(port=server.port) for text in (host, origin))
    more = {} if site is None else {"Sec_Fetch_Site": site}
    assert server.websocket(token, host=host, origin=origin, **more)[0] == 403


def test_scripts_of_other_pages_cannot_read(server):
    for path in ("/autoload.js?bokeh-autoload-element=a", "/"):
        assert server.get(path, Origin="http://evil.example").status == 403
    assert (
        server.get("/autoload.js?bokeh-autoload-element=a", Origin="https://studio.example.org").status == 200
    )


@pytest.mark.parametrize("kind", ["image", "script", "style", "font", "audio", "empty"])
def test_parts_of_other_pages_are_refused(server, kind):
    fetch = {"Sec_Fetch_Mode": "no-cors", "Sec_Fetch_Dest": kind}
    for site in ("cross-site", "same-site"):
        assert server.get(Sec_Fetch_Site=site, **fetch).status == 403
        assert server.get(Sec_Fetch_Site=site, Referer="http://evil.example/", **fetch).status == 403
    assert server.get(Sec_Fetch_Site="same-origin", **fetch).status == 200
    embedding = "https://studio.example.org/a/page"  # a page that is meant to hold these
    assert server.get(Sec_Fetch_Site="cross-site", Referer=embedding, **fetch).status == 200


def test_a_link_on_another_page_may_be_followed(server):
    fetch = {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "navigate", "Sec_Fetch_Dest": "document"}
    assert server.get(**fetch).status == 200


def test_other_pages_cannot_frame_these(server):
    policy = server.get().headers["content-security-policy"]
    sources = policy.removeprefix("frame-ancestors ").split()
    assert {"'self'", "https://studio.example.org", "http://10.1.2.3:8443", "https://*.wide.example"} <= set(
        sources
    )
    assert "*" not in sources and not any("evil" in source for source in sources)


# ---- the studio itself
@pytest.fixture(scope="module")
def studio(tmp_path_factory) -> Iterator[tuple[Target, subprocess.Popen, Path]]:
    """A studio as ``workbench serve`` serves it, with its process and its home."""
    home, port = tmp_path_factory.mktemp("guarded") / "home", free_port()
    environment = {**os.environ, "WORKBENCH_HOME": str(home), "PYTHONPATH": str(ROOT)}
    words = [sys.executable, "-m", "workbench", "serve", "--port", str(port)]
    process = subprocess.Popen(
        words, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    assert "Ctrl+C" in process.stdout.readline().decode()
    yield Target(port), process, home
    process.terminate()
    process.communicate(timeout=60)


def children(pid: int) -> set[str]:
    """Ids of the processes that a process has started."""
    listing = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True)
    return set(listing.stdout.split())


def test_requests_alone_start_nothing(studio):
    """No worker, no other process and no folder: neither for a link nor for any page."""
    target, process, home = studio
    link = Experiment("two_moons", "realnvp", steps=3).to_link()
    before, files = children(process.pid), sorted(home.rglob("*"))
    paths = [
        "/",
        f"/?e={link}",
        f"/autoload.js?bokeh-autoload-element=a&e={link}",
    ]
    for path in (*paths, "/posterior", "/inversion", "/compare"):
        assert target.get(path).status == 200
    image = {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "no-cors", "Sec_Fetch_Dest": "image"}
    assert target.get(f"/?e={link}", **image).status == 403
    assert target.get("/", host="evil.example").status == 403
    end = time.monotonic() + 1.0  # what a request starts is there at once
    while time.monotonic() < end:
        assert children(process.pid) <= before and sorted(home.rglob("*")) == files
        time.sleep(0.1)


@contextmanager
def panel_serving(folder: Path, *apps: str) -> Iterator[tuple[Target, subprocess.Popen]]:
    """A server of `panel serve` with these apps, which knows a name besides; nobody has asked it anything."""
    port = free_port()
    environment = {**os.environ, "WORKBENCH_HOME": str(folder / "home"), "PYTHONPATH": str(ROOT)}
    words = [sys.executable, "-m", "panel", "serve", *apps, "--port", str(port)]
    for name in ("studio.example.org", f"localhost:{port}"):
        words += ["--allow-websocket-origin", name]
    with open(folder / "log", "w") as log:
        process = subprocess.Popen(words, cwd=ROOT, env=environment, stderr=log)
    try:
        end = time.monotonic() + 60
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1.0).close()
                break
            except OSError:
                assert time.monotonic() < end
                time.sleep(0.1)
        yield Target(port), process
    finally:
        process.terminate()
        process.wait(60)


@pytest.mark.slow
@pytest.mark.parametrize("first", ["page", "script", "websocket"])
def test_apps_that_panel_serves_are_guarded(tmp_path, first):
    """From the very first request on, for which the app's script is run: nothing is started for it."""
    evil = {"host": "evil.example", "origin": "http://evil.example"}
    forged = generate_jwt_token("a", extra_payload={"headers": {"Host": "localhost"}, "cookies": {}})
    with panel_serving(tmp_path, "apps/studio.py", "apps/compare.py") as (target, process):
        if first == "websocket":
            assert "ACK" not in target.websocket(forged, path="/studio/ws", **evil)[1]
        else:
            path = "/studio" if first == "page" else "/studio/autoload.js?bokeh-autoload-element=a"
            assert target.get(path, host="evil.example").status == 403
        assert target.websocket(forged, path="/studio/ws", **evil)[0] == 403
        for path in ("/studio", "/compare", "/static/js/bokeh.min.js"):
            assert target.get(path, host="evil.example").status == 403
        assert target.get("/compare").status == 200
        assert target.get("/studio", host="studio.example.org").status == 200
        assert not children(process.pid) and not (tmp_path / "home").exists()
    tracebacks = (tmp_path / "log").read_text().split("Traceback")[1:]
    assert len(tracebacks) == (first == "websocket") and all("RefusedSession" in each for each in tracebacks)


@pytest.mark.slow
def test_an_app_that_panel_serves_answers_its_own_first_request(tmp_path):
    names = {"host": "studio.example.org", "origin": "https://studio.example.org"}
    with panel_serving(tmp_path, "apps/compare.py") as (target, _):
        page = target.get("/compare", host="studio.example.org")
        assert page.status == 200
        assert "ACK" in target.websocket(page.token, path="/compare/ws", **names)[1]
    assert "Traceback" not in (tmp_path / "log").read_text()
