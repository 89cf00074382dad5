"""What trains: a pure core (spec, regularization, networks, data, training, …) and its edge."""
