"""The families of techniques: one abstract class for each moment of training."""
