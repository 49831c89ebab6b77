"""An authority and a server's certificate for tests of TLS."""

from scripts.servers.certificates import make_certificates

__all__ = ["make_certificates"]
