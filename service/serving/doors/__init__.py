"""The doors: each reads one protocol and writes its answers. None knows the others."""
