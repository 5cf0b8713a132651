"""The HTTP server: gevent's WSGI server with deadlines, TLS and strict request parsing."""
