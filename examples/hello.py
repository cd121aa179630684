"""Greets from inside the sandbox and shows what is there."""

import asyncio
import platform
import sys


async def greet(name, delay):
    await asyncio.sleep(delay)
    print(f"Hello, {name}")


async def main():
    names = sys.argv[1:] or ["sandbox"]
    await asyncio.gather(*(greet(name, 0.01 * i) for i, name in enumerate(names)))
    print(f"This is {platform.python_implementation()} {platform.python_version()}")
    print(f"on {sys.platform}, with none of this machine's files and no network.")


asyncio.run(main())
