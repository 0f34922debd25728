"""Locust's users, shapes and their accounts.

Rules: a process that imports locust is patched by gevent, so nothing here reaches Trio, asyncio or asyncpg, and nobody outside
imports what imports locust. Sockets, threads and sleeps are the standard library's, which gevent replaces.
"""
