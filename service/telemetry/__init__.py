"""What is measured of this process, and what is shown of it and of the database at `/metrics`."""
