"""What a search found, from what its configurations gave. Pure: no database, no HTTP."""
