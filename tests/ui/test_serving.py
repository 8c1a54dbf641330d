"""Who may reach a server: its address, port and names, and the login; refused before it listens."""

from __future__ import annotations

import json
import os
import socket
import stat

import pytest

from tests.ui.raw_requests import Target, free_port, serving
from workbench.core.errors import SpecError, WorkbenchError
from workbench.ui import access, guards, login
from workbench.ui.login import Login
from workbench.ui.serve import serve

OPEN = ["0.0.0.0", "::", "", "192.0.2.7"]


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("WORKBENCH_HOME", str(tmp_path / "home"))
    for name in [name for name in os.environ if name.startswith(("PANEL_", "BOKEH_COOKIE"))]:
        monkeypatch.delenv(name)
    return tmp_path / "home"


# ---- address and port
@pytest.mark.parametrize("address", OPEN)
def test_beyond_this_machine_a_login_is_required(address):
    with pytest.raises(SpecError, match=r"Expected: a login\. Found: none.*--basic-auth.*--insecure"):
        serve(address=address)
    assert "--insecure" in access.check_exposure(address, [], Login(), insecure=True)
    assert "HTTPS" in access.check_exposure(address, [], Login("secret"), insecure=False)


@pytest.mark.parametrize("address", ["localhost", "127.0.0.1", "127.5.5.5"])
def test_on_this_machine_none_is(address):
    assert access.check_exposure(address, [], Login(), insecure=False) == ""
    note = access.check_exposure(address, ["studio.example.org"], Login(), insecure=False)
    assert "There is no login: let studio.example.org ask for one" in note


@pytest.mark.parametrize("address", ["no.such.host.invalid", "local host", "http://localhost", "a" * 300])
def test_an_address_that_does_not_exist(address):
    with pytest.raises(SpecError, match="cannot listen at this address"):
        serve(address=address)


@pytest.mark.parametrize("port", [-1, 65536, 99999, 10**30, True, 80.5, "80", None])
def test_a_port_that_is_none(port):
    with pytest.raises(SpecError, match="whole number from 0 .* to 65535"):
        serve(port=port)


def test_a_port_in_use():
    with socket.socket() as rival:
        rival.bind(("127.0.0.1", 0))
        rival.listen()
        with pytest.raises(SpecError, match="another program uses.*--port 0"):
            serve(port=rival.getsockname()[1], address="127.0.0.1")


def test_an_unknown_page():
    with pytest.raises(WorkbenchError, match="Did you mean 'compare'"):
        serve(page="comparr")


# ---- names
def test_names_of_a_proxy():
    texts = [
        "Studio.Example.org",
        "https://hub.example.org/user/ann/",
        "a.example:8443",
        "http://b.example:80",
    ]
    assert access.checked_names(texts) == [
        "studio.example.org",
        "hub.example.org",
        "a.example:8443",
        "b.example",
    ]


@pytest.mark.parametrize(
    "text", ["", "a b", "a.example:", "a.example:99999", "user@a.example", "[::1]:80", "a/b"]
)
def test_a_name_that_is_none(text):
    with pytest.raises(SpecError, match="no name of a server"):
        serve(origins=[text])


@pytest.mark.parametrize("name", ["*", "*.example.org", "https://*"])
def test_a_star_needs_a_login(name):
    with pytest.raises(SpecError, match=r"With a star in --origin"):
        serve(origins=[name])
    names = access.checked_names([name])
    access.check_exposure("localhost", names, Login("secret"), insecure=False)
    access.check_exposure("localhost", names, Login(), insecure=True)


# ---- the login's options
OAUTH = {"key": "k", "secret": "s"}


@pytest.mark.parametrize(
    "wrong, sentence",
    [
        (Login("p", "github", OAUTH), "two kinds of login"),
        (Login(provider="gitlob", oauth=OAUTH), "Did you mean 'gitlab'"),
        (Login(provider="github"), "lacks its key.*PANEL_OAUTH_KEY"),
        (Login(provider="github", oauth={"key": "k"}), "lacks its secret"),
        (Login(oauth=OAUTH), "need a provider"),
        (Login(provider="github", oauth=OAUTH | {"extra_params": "tenant"}), "parameters of the provider"),
        (Login(provider="github", oauth=OAUTH | {"extra_params": "[1]"}), "parameters of the provider"),
        (Login(provider="github", oauth=OAUTH | {"encryption_key": "short"}), "32 bytes in URL-safe base64"),
        (Login("users.json"), "no file at users.json"),
        (Login("/nowhere/users"), "no file at /nowhere/users"),
    ],
)
def test_a_login_that_cannot_work(wrong, sentence):
    with pytest.raises(WorkbenchError, match=sentence):
        serve(login=wrong)


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"ann": ""}', '{"": "p"}', '{"ann": 3}', "{" * 9999, "\xff"]
)
def test_a_file_of_passwords_that_is_none(tmp_path, content):
    (tmp_path / "users.json").write_text(content, encoding="latin-1")
    with pytest.raises(SpecError, match=r"The passwords of --basic-auth cannot be used"):
        serve(login=Login(str(tmp_path / "users.json")))


def test_options_of_the_environment(monkeypatch):
    monkeypatch.setenv("PANEL_BASIC_AUTH", "Secret")  # Panel itself would make it 'secret'
    assert Login.of_environment(Login()).basic_auth == "Secret"
    monkeypatch.setenv("PANEL_OAUTH_KEY", "k")
    monkeypatch.setenv("PANEL_OAUTH_SECRET", "s")
    by_provider = Login.of_environment(Login(provider="GitHub", oauth={"expiry_days": 2.0}))
    by_provider.check()
    assert by_provider.provider == "github" and not by_provider.basic_auth
    options = by_provider.options()
    assert (
        options["oauth_key"] == "k" and options["oauth_secret"] == "s" and "oauth_expiry_days" not in options
    )
    with pytest.raises(SpecError, match="given twice.*PANEL_OAUTH_KEY"):
        Login.of_environment(Login(provider="github", oauth={"key": "other"}))


@pytest.mark.parametrize(
    "name, value", [("PANEL_OAUTH_OPTIONAL", "true"), ("PANEL_OAUTH_GUEST_ENDPOINTS", "['/']")]
)
def test_guests_are_no_login(monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    with pytest.raises(SpecError, match="guests may skip"):
        serve(address="0.0.0.0", login=Login("secret"))


def test_the_secret_is_kept_and_private(home):
    first = login.kept_secret()
    path = home / login.SECRET_FILE
    assert len(first) >= 64 and login.kept_secret() == first
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.chmod(0o644)  # others may have read it
    second = login.kept_secret()
    assert second != first and stat.S_IMODE(path.stat().st_mode) == 0o600
    path.write_text("short")
    assert len(login.kept_secret()) >= 64
    path.unlink()
    (home / "elsewhere").write_text(first)
    path.symlink_to(home / "elsewhere")
    assert login.kept_secret() != first and not path.is_symlink()
    assert (home / "elsewhere").read_text() == first


# ---- a server with a login
@pytest.fixture
def locked(tmp_path, monkeypatch):
    from panel import config

    (tmp_path / "users.json").write_text(json.dumps({"ann": "her password"}))
    guards.install()
    monkeypatch.setattr(config, "_cookie_secret", None)
    with serving(Login(str(tmp_path / "users.json")).options()) as target:
        yield target


def log_in(target: Target, password: str) -> str:
    """The cookies after a login; empty where it was refused."""
    body = f"username=ann&password={password}"
    form = "Content-Type: application/x-www-form-urlencoded\nConnection: close"
    request = f"POST /login HTTP/1.1\nHost: {target.own}\n{form}\nContent-Length: {len(body)}\n\n{body}"
    with socket.create_connection((target.address, target.port), 60) as connection:
        connection.sendall(request.replace("\n", "\r\n").encode())
        data = b""
        while part := connection.recv(65536):
            data += part
    lines = [line for line in data.decode().split("\r\n") if line.lower().startswith("set-cookie: ")]
    pairs = [line.partition(": ")[2].partition(";")[0] for line in lines]
    return "; ".join(pair for pair in pairs if pair.partition("=")[2] not in ("", '""'))


def test_without_a_login_nothing_is_shown(locked):
    for path in ("/", "/autoload.js?bokeh-autoload-element=a", "/metadata"):
        answer = locked.get(path)
        assert answer.status in (302, 403) and '"token"' not in answer.body, path
    assert "user=" not in log_in(locked, "wrong") and "user=" not in log_in(locked, "")
    cookies = log_in(locked, "her+password")
    assert "user=" in cookies
    page = locked.get("/", Cookie=cookies)
    assert page.status == 200
    origin = f"http://{locked.own}"
    assert locked.websocket(page.token, origin=origin)[0] == 403  # the token alone
    assert locked.websocket(page.token, origin=origin, Cookie='user="2|1:0|10:1|4:user|4:YW5u|00"')[0] == 403
    status, reply = locked.websocket(page.token, origin=origin, Cookie=cookies)
    assert status == 101 and "ACK" in reply
    # a session of a name that was chosen by someone else
    assert locked.get("/?bokeh-session-id=chosen", Cookie=cookies).status in (403, 500)
    assert locked.get("/", host="evil.example", Cookie=cookies).status == 403


def test_a_free_port_is_found():
    from workbench.ui.serve import _free_port

    assert 0 < _free_port("localhost", 0) < 65536 and free_port() != 0
