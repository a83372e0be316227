"""The HTTP door: who may come in, what is asked, what is answered; a page and an API on port 8889.

It runs in the collector's process and event loop, and reads the store on threads of its own.
"""
