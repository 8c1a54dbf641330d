"""The login of a server: a password or a provider of OAuth, and the secret that signs its cookies.

Panel does the work; here its options are checked first, since Panel ignores or misreads several that do not
fit.
"""

from __future__ import annotations

import ast
import base64
import hashlib
import json
import os
import secrets
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from workbench.core.errors import SpecError, unknown
from workbench.training import home

#: Name of the file with the secret that signs the cookies of a login, in the workbench's home.
SECRET_FILE = "cookie_secret"
_SECRET_BYTES, _KEY_BYTES = 32, 32
#: Options and their environment variables in Panel, which otherwise wins without a word.
_VARIABLES = {
    "key": "PANEL_OAUTH_KEY",
    "secret": "PANEL_OAUTH_SECRET",
    "redirect_uri": "PANEL_OAUTH_REDIRECT_URI",
    "extra_params": "PANEL_OAUTH_EXTRA_PARAMS",
    "jwt_user": "PANEL_OAUTH_JWT_USER",
    "encryption_key": "PANEL_OAUTH_ENCRYPTION",
    "cookie_secret": "PANEL_COOKIE_SECRET",
}
#: Providers that ask for no key, and those that ask for no secret.
_WITHOUT_KEY, _WITHOUT_SECRET = ("pam",), ("pam", "auth_code")


@dataclass(frozen=True)
class Login:
    """Login of users: by ``basic_auth``, a password or a JSON file of names and passwords, or by OAuth.

    ``provider`` is a provider of OAuth that Panel knows; ``oauth`` has its options by their name in
    ``panel.serve`` without ``oauth_``. What is missing is taken from Panel's environment variables, such as
    ``PANEL_OAUTH_SECRET``, which other users of the machine cannot read.
    """

    basic_auth: str = ""
    provider: str = ""
    oauth: Mapping[str, Any] = field(default_factory=dict)
    cookie_secret: str = ""

    @classmethod
    def of_environment(cls, login: Login) -> Login:
        """Return a login with what it lacks from Panel's environment variables.

        Raises `SpecError` for an option that is given twice, and where guests may skip the login.
        """
        guests = os.environ.get("PANEL_OAUTH_OPTIONAL", "").lower() in ("1", "true")
        if guests or os.environ.get("PANEL_OAUTH_GUEST_ENDPOINTS"):
            raise SpecError(
                "A login that guests may skip is none",
                expected="no PANEL_OAUTH_OPTIONAL and no PANEL_OAUTH_GUEST_ENDPOINTS",
                found="one of them",
            )
        values = {**login.oauth, "cookie_secret": login.cookie_secret}
        for option, variable in _VARIABLES.items():
            value = os.environ.get(variable)
            if value and values.get(option) not in (None, "", value):
                raise SpecError(
                    "The same option is given twice",
                    expected=f"the environment variable {variable} or the option",
                    found="both, and they differ",
                )
            values[option] = values.get(option) or value or ""
        # Panel itself would turn the letters of this one small
        basic = login.basic_auth or ("" if login.provider else os.environ.get("PANEL_BASIC_AUTH", ""))
        provider = login.provider or ("" if basic else os.environ.get("PANEL_OAUTH_PROVIDER", ""))
        return cls(basic, provider.lower(), values, values.pop("cookie_secret"))

    @property
    def required(self) -> bool:
        """True where users have to log in."""
        return bool(self.basic_auth or self.provider)

    def check(self) -> None:
        """Raise `SpecError` for a login that cannot work or would let in anyone."""
        if self.basic_auth and self.provider:
            raise SpecError(
                "There are two kinds of login", expected="--basic-auth or --oauth-provider", found="both"
            )
        if self.basic_auth:
            _check_password(self.basic_auth)
        elif self.provider:
            self._check_provider()
        elif any(self.oauth.get(name) for name in _VARIABLES):
            raise SpecError("The options of OAuth need a provider", expected="--oauth-provider", found="none")

    def _check_provider(self) -> None:
        from panel.auth import AUTH_PROVIDERS

        if self.provider not in AUTH_PROVIDERS:
            raise unknown("OAuth provider", self.provider, AUTH_PROVIDERS)
        for name, exempt in (("key", _WITHOUT_KEY), ("secret", _WITHOUT_SECRET)):
            if not self.oauth.get(name) and self.provider not in exempt:
                raise SpecError(
                    f"The login by {self.provider} lacks its {name}",
                    expected=f"--oauth-{name}, or the environment variable PANEL_OAUTH_{name.upper()}",
                    found="neither",
                    suggestion=f"register this server at {self.provider}, which gives you both",
                )
        _extra_parameters(self.oauth.get("extra_params"))
        _encryption_key(self.oauth.get("encryption_key"))

    def options(self) -> dict[str, Any]:
        """Return the arguments of ``panel.io.server.get_server`` for this login; empty without one."""
        if not self.required:
            return {}
        secret = self.cookie_secret or kept_secret()
        options: dict[str, Any] = {
            "cookie_secret": secret,
            # names of sessions that this server did not give are refused: nobody can choose another's
            "sign_sessions": True,
            "secret_key": hashlib.sha256(b"sessions " + secret.encode()).digest(),
        }
        if self.basic_auth:
            return options | {"basic_auth": self.basic_auth}
        oauth = {f"oauth_{name}": value for name, value in self.oauth.items() if value}
        for name in ("oauth_encryption_key", "oauth_expiry_days"):  # see `configure`
            oauth.pop(name, None)
        if extra := _extra_parameters(self.oauth.get("extra_params")):
            oauth["oauth_extra_params"] = extra
        return options | {"oauth_provider": self.provider} | oauth

    def configure(self) -> None:
        """Set in Panel what ``get_server`` does not: the encryption of what a provider says of a user, and
        for how many days a login holds."""
        from panel import config, state
        from panel.util import edit_readonly

        if self.required and self.oauth.get("expiry_days"):
            config.oauth_expiry = float(self.oauth["expiry_days"])
        key = _encryption_key(self.oauth.get("encryption_key")) if self.provider else None
        if key:
            from cryptography.fernet import Fernet

            config.oauth_encryption_key = key
            with edit_readonly(state):
                state.encryption = Fernet(key)


def _check_password(text: str) -> None:
    """Raise `SpecError` unless this is a password, or a file of names and passwords."""
    path = Path(text)
    refusal = "The passwords of --basic-auth cannot be used"
    remedy = 'a password, or a JSON file such as {"ann": "her password"}'
    if not path.is_file():
        if path.suffix == ".json" or "/" in text or path.is_dir():
            raise SpecError(refusal, expected=remedy, found=f"no file at {text}")
        return
    try:
        users = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise SpecError(refusal, expected=remedy, found=f"'{text}': {error}"[:200]) from error
    if not isinstance(users, dict) or not users:
        raise SpecError(refusal, expected=remedy, found=f"'{text}' without names")
    wrong = [
        name for name, password in users.items() if not isinstance(password, str) or not (name and password)
    ]
    if wrong:
        raise SpecError(refusal, expected=remedy, found=f"no password for {', '.join(map(repr, wrong[:5]))}")


def _extra_parameters(text: Any) -> dict[str, Any]:
    """Parse the further parameters of a provider, JSON or a Python dict. Raises `SpecError`."""
    if not text:
        return {}
    values = text
    if isinstance(text, str):
        for parse in (json.loads, ast.literal_eval):
            try:
                values = parse(text)
                break
            except (ValueError, SyntaxError, RecursionError, MemoryError):
                continue
    if not isinstance(values, dict):
        raise SpecError(
            "The further parameters of the provider cannot be read",
            expected='a table such as {"tenant": "example"}',
            found=repr(text)[:80],
        )
    return values


def _encryption_key(text: Any) -> bytes | None:
    """Return the key that encrypts what a provider says of a user, checked. Raises `SpecError`."""
    if not text:
        return None
    data = text if isinstance(text, bytes) else str(text).encode()
    try:
        length = len(base64.urlsafe_b64decode(data))
    except ValueError:
        length = 0
    if length != _KEY_BYTES:
        raise SpecError(
            "The encryption key of OAuth cannot be used",
            expected=f"{_KEY_BYTES} bytes in URL-safe base64, as `panel oauth-secret` prints them",
            found=f"{length} bytes",
        )
    try:
        import cryptography.fernet  # noqa: F401
    except ImportError as error:
        raise SpecError(
            "The encryption key of OAuth cannot be used",
            expected="the package cryptography",
            found="none",
            suggestion="pip install cryptography",
        ) from error
    return data


# ---- the secret that signs cookies
def kept_secret() -> str:
    """Return the secret that signs the cookies of a login, from a file that only its owner can read.

    It is made at first use, so that a login outlasts a restart. One that others could read or write is
    replaced, and everyone has to log in again.
    """
    path = home() / SECRET_FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    for _ in range(2):
        text = _read_secret(path)
        if text:
            return text
        path.unlink(missing_ok=True)
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:  # another server made it at the same time
            continue
        with os.fdopen(descriptor, "w") as stream:
            stream.write(secrets.token_hex(_SECRET_BYTES))
    text = _read_secret(path)
    if not text:
        raise SpecError(
            "The secret of the login cannot be kept private",
            expected=f"a file {path} that only you can read",
            found=f"mode {stat.filemode(path.lstat().st_mode)}",
            suggestion="give one with --cookie-secret, or set WORKBENCH_HOME to a disk with permissions",
        )
    return text


def _read_secret(path: Path) -> str:
    """Return the secret in a file; empty where there is none, or one that others may know."""
    try:
        about = path.lstat()
        private = stat.S_ISREG(about.st_mode) and not about.st_mode & 0o077
        own = not hasattr(os, "getuid") or about.st_uid == os.getuid()
        text = path.read_text(encoding="utf-8").strip() if private and own else ""
    except (OSError, ValueError):
        return ""
    return text if len(text) >= 2 * _SECRET_BYTES else ""
