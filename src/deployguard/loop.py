"""A short-lived event loop for a round of requests, imported where it is needed: asyncio takes a while to load.

Its name lookups are made once a host, in threads that nobody waits for, so that a dead resolver costs the time out of
the request and never holds up the end of the loop.
"""

from collections.abc import Coroutine
from functools import cache
from threading import Thread
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    import asyncio

T = TypeVar("T")


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run `work` to its end in an event loop of its own. Not for threads that already run one."""
    import asyncio

    with asyncio.Runner(loop_factory=_loop_class()) as runner:
        return runner.run(work)


@cache
def _loop_class() -> "type[asyncio.AbstractEventLoop]":
    import asyncio
    import socket

    class Loop(asyncio.SelectorEventLoop):
        """Looks each name up once, in a thread that does not hold up the loop's end.

        asyncio's own lookups run in an executor whose threads are joined when the loop closes: a resolver that does
        not answer would hold the caller for half a minute after every deadline has passed.
        """

        def __init__(self) -> None:
            super().__init__()
            self._lookups: dict[tuple[Any, ...], asyncio.Future[Any]] = {}

        async def getaddrinfo(
            self,
            host: Any,
            port: Any,
            *,
            family: int = 0,
            type: int = 0,  # noqa: A002  # asyncio's word
            proto: int = 0,
            flags: int = 0,
        ) -> Any:
            key = (host, port, family, type, proto, flags)
            lookup = self._lookups.get(key)
            if lookup is None:
                lookup = self._lookups[key] = self.create_future()
                Thread(target=self._look_up, args=(key,), daemon=True, name=f"lookup {host}").start()
            found = await asyncio.shield(lookup)
            if isinstance(found, Exception):
                self._lookups.pop(key, None)  # a retry asks anew
                raise found
            return found

        def _look_up(self, key: tuple[Any, ...]) -> None:
            found: Any
            try:
                found = socket.getaddrinfo(*key)
            except (OSError, UnicodeError) as error:
                found = error
            try:
                self.call_soon_threadsafe(self._found, key, found)
            except RuntimeError:
                return  # the loop was closed meanwhile: nobody waits

        def _found(self, key: tuple[Any, ...], found: Any) -> None:
            lookup = self._lookups.get(key)
            if lookup is not None and not lookup.done():
                lookup.set_result(found)

    return Loop
