"""The client for asyncio; the blocking one is made from it."""
