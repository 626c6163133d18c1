"""The proxy and each of its fault modes."""

import asyncio
import random
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from stories_embedded.ports import free_port

from .proxy import Proxy


@pytest_asyncio.fixture
async def proxy() -> AsyncIterator[Proxy]:
    """A proxy before a server that says everything back."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while piece := await reader.read(1000):
            writer.write(piece)
        writer.close()

    taken: set[int] = set()
    server = await asyncio.start_server(echo, "127.0.0.1", upstream := free_port(taken))
    proxy = Proxy("echo", upstream, free_port(taken), random.Random(1))
    await proxy.start()
    yield proxy
    await proxy.stop()
    server.close()


async def echoed(proxy: Proxy, word: bytes = b"hello") -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    try:
        writer.write(word)
        async with asyncio.timeout(5):
            return await reader.readexactly(len(word))
    finally:
        writer.close()


async def test_open_proxy_changes_nothing(proxy: Proxy) -> None:
    assert await echoed(proxy, b"x" * 300_000) == b"x" * 300_000


async def test_slow_proxy_delays_data(proxy: Proxy) -> None:
    proxy.set_mode("slow", 0.2)
    began = asyncio.get_running_loop().time()
    assert await echoed(proxy) == b"hello"
    assert asyncio.get_running_loop().time() - began > 0.2


async def test_cut_proxy_resets_open_and_new_connections(proxy: Proxy) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    writer.write(b"a")
    assert await reader.read(1) == b"a"
    proxy.set_mode("cut")
    with pytest.raises(ConnectionResetError):
        await reader.readexactly(1)
    with pytest.raises((OSError, asyncio.IncompleteReadError)):
        await echoed(proxy)
    proxy.set_mode("open")
    assert await echoed(proxy) == b"hello"


@pytest.mark.parametrize("mode", ["hole", "deaf"])
async def test_withheld_bytes_arrive_once_the_proxy_is_open(proxy: Proxy, mode: str) -> None:
    proxy.set_mode(mode)  # type: ignore[arg-type]
    pending_reply = asyncio.create_task(echoed(proxy))
    done, _ = await asyncio.wait([pending_reply], timeout=0.3)
    assert not done
    proxy.set_mode("open")
    assert await pending_reply == b"hello"


async def test_truncating_proxy_breaks_inside_a_message(proxy: Proxy) -> None:
    proxy.set_mode("torn")
    outcomes = await asyncio.gather(*(echoed(proxy, b"x" * 1000) for _ in range(100)), return_exceptions=True)
    assert 0 < sum(isinstance(outcome, Exception) for outcome in outcomes) < 60
