"""What people type: commands that ask a service over HTTP, by the client, and show what it says."""
