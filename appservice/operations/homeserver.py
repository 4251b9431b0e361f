"""The embedded homeserver: a real Synapse on SQLite and loopback, shared by demo, tests and benchmarks.

Here it is prepared, started, stopped, copied and put back; what it is told stands in `homeserver_config`, what is
asked of it in `accounts`.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import aiohttp

from appservice.operations import accounts, processes
from appservice.operations.errors import OperationFailed
from appservice.operations.files import last_lines, write_private
from appservice.operations.homeserver_config import (
    HomeserverConfig,
    Registration,
    read_registration,
    write_configuration,
)

START_DEADLINE = 120  # seconds: the first start also compiles Synapse to byte code and makes the database
STOP_DEADLINE = 20  # seconds before a clean stop becomes SIGKILL
LOCK_DEADLINE = 10  # seconds that a dying predecessor gets to let go of the folder
POLL = 0.05  # seconds between two looks at something that is awaited

# Not part of what a homeserver is: a copy leaves them out, putting back leaves them alone.
_NOT_COPIED = ("lock", "logs", "homeserver.pid")


class EmbeddedHomeserver:
    """One Synapse and its folder. Not for two tasks at once; the process dies with the thread that started it."""

    def __init__(self, config: HomeserverConfig) -> None:
        self.config = config
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Base URL for clients, e.g. `http://127.0.0.1:8008`."""
        return self.config.url

    @property
    def pid(self) -> int | None:
        """Process id while it runs, else None."""
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    @property
    def running(self) -> bool:
        """Whether the process is alive (after `start` returned, it also answers)."""
        return self.pid is not None

    @property
    def registration(self) -> Registration:
        """The application service's sender and tokens. Raises: `OperationFailed` before `prepare`."""
        return read_registration(self.config)

    def user_id(self, localpart: str) -> str:
        """`@localpart:server`."""
        return f"@{localpart}:{self.config.server_name}"

    def prepare(self) -> Registration:
        """Write configuration and missing secrets into the folder; may be repeated, what is secret stays the same.

        The signing key is made by Synapse's own generator at the first start (docs: `synapse-config/README.md`).
        Raises: `OperationFailed` if the folder holds a damaged registration, or a database whose key is gone.
        """
        self._check_signing_key()
        return write_configuration(self.config)

    async def start(self, deadline: float = START_DEADLINE) -> None:
        """Start Synapse and wait until it answers clients; does nothing if it runs already. Needs `prepare` before.

        Parameters: `deadline` in seconds. Raises: `OperationFailed` with the last lines of its log if it ends or does
        not answer in time, or if its port or folder is in use.
        """
        if self.running:
            return
        if not self.config.homeserver_file.exists():
            raise OperationFailed(f"{self.config.homeserver_file} is missing: prepare the homeserver first.")
        self._check_signing_key()
        lock = await self._lock_soon()
        try:
            if processes.port_taken(self.config.port):
                raise OperationFailed(
                    f"Port {self.config.port} of 127.0.0.1 is in use: stop what uses it, or choose another."
                )
            self._process = self._spawn(lock)
        finally:
            # The child holds a copy, so that the folder stays locked exactly as long as Synapse lives.
            os.close(lock)
        try:
            await self._answers(self._process, deadline)
        except BaseException:
            await self.kill()
            raise

    async def stop(self, deadline: float = STOP_DEADLINE) -> None:
        """Ask Synapse to end (SIGTERM) and wait; after `deadline` seconds SIGKILL. Does nothing if it does not run."""
        process = self._process
        if process is None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            await asyncio.to_thread(process.wait, deadline)
        except subprocess.TimeoutExpired:
            await self.kill()
        self._process = None

    async def kill(self) -> None:
        """End Synapse as a power cut of the process would (SIGKILL). Does nothing if it does not run."""
        if self._process is not None:
            self._process.kill()
            await asyncio.to_thread(self._process.wait)
            self._process = None

    def cpu_seconds(self) -> float:
        """Processor time used since its start, in seconds. Raises: `OperationFailed` if it does not run."""
        return processes.cpu_seconds(self._pid())

    def resident_bytes(self) -> int:
        """Memory it holds now, in bytes. Raises: `OperationFailed` if it does not run."""
        return processes.resident_bytes(self._pid())

    async def register(self, localpart: str, password: str, admin: bool = False) -> str:
        """Make an account and return its id `@localpart:server`. An ordinary account that exists already is kept as
        it is, password included, so that a demo can be started again.

        Raises: `accounts.HomeserverRefused`.
        """
        try:
            made = await accounts.register(self.url, self._registration_secret(), localpart, password, admin=admin)
        except accounts.HomeserverRefused as refused:
            if refused.errcode == "M_USER_IN_USE" and not admin:
                return self.user_id(localpart)
            raise
        return str(made["user_id"])

    async def login(self, localpart: str, password: str) -> str:
        """Sign in and return an access token (of a new device each time). Raises: `accounts.HomeserverRefused`."""
        return await accounts.login(self.url, localpart, password)

    async def make_steward_admin(self) -> None:
        """Make the application service's sender administrator of this server, and nobody else. May be repeated.

        Raises: `accounts.HomeserverRefused`.
        """
        known = self.registration
        await accounts.make_steward_admin(self.url, self._registration_secret(), known.sender, known.as_token)

    def snapshot(self, to: Path) -> None:
        """Copy everything that this homeserver is (database, keys, secrets, media) to the new folder `to`.

        Raises: `OperationFailed` while it runs, or if `to` exists.
        """
        if to.exists():
            raise OperationFailed(f"{to} exists already: name a folder that does not.")
        with self._stopped("copied"):
            shutil.copytree(self.config.directory, to, ignore=shutil.ignore_patterns(*_NOT_COPIED))

    def restore(self, source: Path) -> None:
        """Make this homeserver what it was when `snapshot` wrote `source`; what came later is gone. Port, addresses
        and overrides stay those of `config`.

        Raises: `OperationFailed` while it runs, or if `source` is not such a copy.
        """
        if not (source / "homeserver.yaml").exists():
            raise OperationFailed(f"{source} is not a copy of a homeserver: homeserver.yaml is missing.")
        with self._stopped("put back"):
            for entry in self.config.directory.iterdir():
                if entry.name in _NOT_COPIED:
                    continue
                if entry.is_dir():
                    shutil.rmtree(entry)
                else:
                    entry.unlink()
            shutil.copytree(source, self.config.directory, dirs_exist_ok=True)
        self.prepare()

    def _check_signing_key(self) -> None:
        if self.config.database_file.exists() and not self.config.signing_key_file.exists():
            # Synapse would make a new key without a word, and with it become a stranger to every other server.
            raise OperationFailed(
                f"{self.config.signing_key_file} is missing although there is a database: put the key back from a copy."
            )

    def _pid(self) -> int:
        pid = self.pid
        if pid is None:
            raise OperationFailed("The homeserver does not run.")
        return pid

    def _registration_secret(self) -> str:
        return self.config.registration_secret_file.read_text(encoding="utf-8").strip()

    def _spawn(self, lock: int) -> subprocess.Popen[bytes]:
        arguments = [
            "-m",
            "synapse.app.homeserver",
            "--config-path",
            str(self.config.homeserver_file.absolute()),
            "--no-secrets-in-config",
        ]
        write_private(self.config.console_file, "")
        with self.config.console_file.open("ab") as console:
            return processes.spawn(
                self.config.python,
                arguments,
                environment=self._environment(),
                folder=self.config.directory,
                output=console,
                keep_open=[lock],
            )

    def _environment(self) -> dict[str, str]:
        """Our variables without those that would change what Synapse is: another Python's paths, settings of another
        Synapse, and proxies, through which it would try to reach us."""
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("PYTHON", "SYNAPSE_", "VIRTUAL_ENV")) and not name.lower().endswith("_proxy")
        }
        if self.config.python_path:
            kept["PYTHONPATH"] = str(self.config.python_path.absolute())
        return kept

    async def _answers(self, process: subprocess.Popen[bytes], deadline: float) -> None:
        until = time.monotonic() + deadline
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as session:
            while process.poll() is None and time.monotonic() < until:
                with contextlib.suppress(aiohttp.ClientError, TimeoutError):
                    async with session.get(f"{self.url}/_matrix/client/versions") as response:
                        # An answer counts only from the process that we started.
                        if response.status == 200 and process.poll() is None:
                            return
                await asyncio.sleep(POLL)
        what = "ended while starting" if process.poll() is not None else f"did not answer within {deadline:.0f} seconds"
        said = last_lines(self.config.console_file), last_lines(self.config.log_file)
        raise OperationFailed("\n".join([f"The homeserver {what}. Its last words:", *(part for part in said if part)]))

    async def _lock_soon(self) -> int:
        until = time.monotonic() + LOCK_DEADLINE
        while True:
            try:
                return self._lock()
            except OperationFailed:
                if time.monotonic() > until:
                    raise
            await asyncio.sleep(POLL)

    def _lock(self) -> int:
        try:
            descriptor = os.open(self.config.directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except FileNotFoundError as error:
            raise OperationFailed(f"{self.config.directory} is missing: prepare the homeserver first.") from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(descriptor)
            raise OperationFailed(
                f"Another homeserver runs in {self.config.directory}: stop that one first."
            ) from error
        return descriptor

    @contextlib.contextmanager
    def _stopped(self, what: str) -> Iterator[None]:
        if self.running:
            raise OperationFailed(f"The homeserver must be stopped before it is {what}.")
        lock = self._lock()
        try:
            yield
        finally:
            os.close(lock)
