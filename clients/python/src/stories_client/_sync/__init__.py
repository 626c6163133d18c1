# Made from the module of the same name in `_async` by `make docs`; a test compares.

"""The client for asyncio; the blocking one is made from it."""
