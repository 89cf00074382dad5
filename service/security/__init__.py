"""Who may ask what: keys, hosts and origins, scopes, request rates, the record of who did what."""
