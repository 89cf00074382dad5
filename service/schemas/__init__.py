"""The bodies that go over the wire, each field described and with an example."""
