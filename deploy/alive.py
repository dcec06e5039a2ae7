"""Does the service on this machine live? Exit status 0 if it does, else 1.

    python alive.py [PORT]

For the container's health check, which is not told what the service was started with: so it asks
without TLS, then with it. A certificate is for those outside, and is not looked at.
"""

import ssl
import sys
from http.client import HTTPConnection, HTTPException, HTTPSConnection

SECONDS = 1.4  # for each question; the health check waits for 3


def lives(connection: HTTPConnection) -> bool:
    """Whether a service answers there."""
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


if __name__ == "__main__":
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 8000
    anybody = ssl.create_default_context()
    anybody.check_hostname = False
    anybody.verify_mode = ssl.CERT_NONE
    plain = HTTPConnection("127.0.0.1", port, timeout=SECONDS)
    sealed = HTTPSConnection("127.0.0.1", port, timeout=SECONDS, context=anybody)
    sys.exit(not (lives(plain) or lives(sealed)))
