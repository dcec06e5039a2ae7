"""dedup over HTTP: an ASGI application, and the server that runs it.

    serve.py      one process or several, sockets, signals
    app.py        the application: its routes, its life; state.py: what its routes share
    edge.py       what every request and every answer goes through
    routes.py     requests to calls of the library, reports to answers
    stream.py     JSON Lines in and out
    bodies.py     bodies within limits; shapes.py: what stands in them
    answers.py    reports as JSON; problems.py: errors as JSON
    keys.py       who may do what; limits.py: how much, and when it is too much
    indexes.py    an index for each namespace, into which requests go joined
    metrics.py, logs.py, openapi.py, docs_page.py
    web_page.py   the web page, whose parts are in web/

Needs the `server` extra; nothing outside of this package imports it, but for `dedup serve`.
"""
