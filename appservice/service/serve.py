"""`inglenook serve`: run core until told to stop. Imported without the command line's libraries, to start fast."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path

import structlog

from appservice import switches
from appservice.service.config import BadConfiguration, Config, load_config, load_registration
from appservice.service.logs import configure

log = structlog.get_logger()

OK, FAILED, BAD_INPUT = 0, 1, 2


def main(arguments: list[str]) -> int:
    """Run with `--config FILE`; return the exit status: 0 stopped when asked, 1 could not run, 2 bad input."""
    if len(arguments) != 2 or arguments[0] != "--config":
        print("usage: inglenook serve --config FILE", file=sys.stderr)  # noqa: T201 - a command's own message
        return BAD_INPUT
    try:
        config = load_config(Path(arguments[1]))
        return serve(config)
    except BadConfiguration as error:
        print(f"inglenook: {error}", file=sys.stderr)  # noqa: T201
        return BAD_INPUT


def serve(config: Config) -> int:
    """Run core with `config` until SIGTERM or SIGINT. Raises `BadConfiguration`."""
    registration = load_registration(config.registration)
    configure(config.log)
    if switches.OFF:
        log.error("switched_off", effects=sorted(switches.OFF), follows="this is for tests: people are not protected")
    from appservice.service.core import Core
    from appservice.store import StoreTooNew

    async def run() -> int:
        core = Core(config, registration)
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for name in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(name, stop.set)
        try:
            await core.start()
            await stop.wait()
            log.info("stopping")
        except BadConfiguration:
            raise
        except (OSError, RuntimeError, StoreTooNew) as error:
            log.error("cannot_start", error=str(error))
            return FAILED
        except Exception as error:  # a process that neither runs nor ends would never be started again
            log.error("cannot_start", error=type(error).__name__)
            return FAILED
        finally:
            await core.stop()
        return OK

    return asyncio.run(run())
