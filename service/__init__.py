"""What other programs talk to: the HTTP service."""
