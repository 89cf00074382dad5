"""What trains: a pure core (spec, regularization, networks, data, training, search) and its edge."""
