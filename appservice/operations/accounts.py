"""Accounts of an embedded homeserver: made by its shared secret, signed in, and the steward raised to administrator.

Only what has to happen before the service itself can act, and what tests need; all else is `appservice.matrix`.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import aiohttp

from appservice.operations.errors import OperationFailed

ANSWER_TIMEOUT = 60  # seconds: an administrator's call on a busy laptop
_BOOTSTRAP = "bootstrap-admin-"


class HomeserverRefused(OperationFailed):
    """The homeserver answered with an error; `status` is the HTTP status, `errcode` Matrix's code (or empty)."""

    def __init__(self, what: str, status: int, errcode: str) -> None:
        super().__init__(f"The homeserver refused to {what}: HTTP {status} {errcode}".rstrip())
        self.status = status
        self.errcode = errcode


async def register(url: str, secret: str, localpart: str, password: str, *, admin: bool = False) -> dict[str, Any]:
    """Make an account by the shared secret (Synapse's admin API, "Shared-secret registration").

    Parameters: `url` of the homeserver, `secret` as in its file, `admin` for an administrator of the server.
    Returns: Synapse's answer with `user_id`, `access_token`, `device_id`.
    Raises: `HomeserverRefused`, with `M_USER_IN_USE` if the name is taken, `M_EXCLUSIVE` if it is in our namespace.
    """
    path = "/_synapse/admin/v1/register"
    what = f"make the account {localpart}"
    nonce = (await call(url, "GET", path, what=what))["nonce"]
    fields = (nonce, localpart, password, "admin" if admin else "notadmin")
    # SHA-1 is what Synapse asks for; as an HMAC over a nonce it is not the weak use of it.
    mac = hmac.new(secret.encode(), "\0".join(fields).encode(), hashlib.sha1).hexdigest()
    body = {"nonce": nonce, "username": localpart, "password": password, "admin": admin, "mac": mac}
    return await call(url, "POST", path, what=what, body=body)


async def login(url: str, localpart: str, password: str) -> str:
    """Sign in with a password; returns the access token of a new device. Raises: `HomeserverRefused`."""
    body = {
        "type": "m.login.password",
        "identifier": {"type": "m.id.user", "user": localpart},
        "password": password,
        "initial_device_display_name": "Inglenook",
    }
    answer = await call(url, "POST", "/_matrix/client/v3/login", what=f"sign in {localpart}", body=body)
    return str(answer["access_token"])


async def make_steward_admin(url: str, secret: str, steward: str, as_token: str) -> None:
    """Make the application service's sender an administrator of the server, and leave no other one behind.

    Only an administrator can name another, so one is made by the shared secret with a password that nobody knows; the
    steward then takes its powers and closes it. After a crash anywhere in between, a second call finishes the work.

    Parameters: `steward`, the sender as `@user:server`; `as_token`, of the registration. Raises: `HomeserverRefused`.
    """
    if not await _is_admin(url, steward, as_token):
        await _ensure_sender(url, steward, as_token)
        made = await register(url, secret, _BOOTSTRAP + secrets.token_hex(16), secrets.token_urlsafe(32), admin=True)
        await _set_admin(url, made["access_token"], steward, admin=True)
    listed = await call(
        url,
        "GET",
        f"/_synapse/admin/v2/users?name={_BOOTSTRAP}&deactivated=false&guests=false",
        what="list bootstrap administrators",
        token=as_token,
    )
    for user in (entry["name"] for entry in listed["users"]):
        if re.fullmatch(rf"@{_BOOTSTRAP}[0-9a-f]{{32}}:.*", user):
            await _set_admin(url, as_token, user, admin=False)
            path = f"/_synapse/admin/v1/deactivate/{quote(user, safe='')}"
            await call(
                url, "POST", path, what="close the bootstrap administrator", token=as_token, body={"erase": True}
            )


async def _ensure_sender(url: str, steward: str, as_token: str) -> None:
    # Synapse makes the sender only when it first needs it, and until then answers 404 for it.
    body = {
        "type": "m.login.application_service",
        "username": steward.removeprefix("@").partition(":")[0],
        "inhibit_login": True,
    }
    path = "/_matrix/client/v3/register"
    try:
        await call(url, "POST", path, what="make the steward's account", token=as_token, body=body)
    except HomeserverRefused as refused:
        if refused.errcode != "M_USER_IN_USE":
            raise


async def _is_admin(url: str, steward: str, as_token: str) -> bool:
    path = f"/_synapse/admin/v1/users/{quote(steward, safe='')}/admin"
    try:
        return bool((await call(url, "GET", path, what="tell who is administrator", token=as_token))["admin"])
    except HomeserverRefused as refused:
        if refused.status == 403:
            return False
        raise


async def _set_admin(url: str, token: str, user: str, *, admin: bool) -> None:
    path = f"/_synapse/admin/v1/users/{quote(user, safe='')}/admin"
    await call(url, "PUT", path, what="change who is administrator", token=token, body={"admin": admin})


async def call(
    url: str, method: str, path: str, *, what: str, token: str | None = None, body: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Make one call and return the JSON object of its answer.

    Parameters: `what`, the thing asked for in plain words, for the error; never a secret.
    Raises: `HomeserverRefused` for an HTTP error, `OperationFailed` if there is no answer within 60 seconds.
    """
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    timeout = aiohttp.ClientTimeout(total=ANSWER_TIMEOUT)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout, headers=headers) as session,
            session.request(method, f"{url}{path}", json=body) as response,
        ):
            answer = await response.json(content_type=None)
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        raise OperationFailed(f"The homeserver did not answer when asked to {what}: {error!r}") from error
    if response.status >= 400:
        raise HomeserverRefused(what, response.status, str(answer.get("errcode", "")))
    return dict(answer)
