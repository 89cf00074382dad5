"""Linear networks solved to the optimum, instead of trained by gradient steps.

minimize f(w) + R(w): f the mean data loss, which is smooth, R the penalties, which have kinks.
Begin with ``solver``.

``solver``    all trials of a fleet, grouped by how they are solved
``method``    trials of one fold that are solved in one way
``newton``    proximal Newton: few iterations with second derivatives
``gradient``  proximal gradient with momentum: many cheap iterations
``model``     the quadratic model that a Newton step minimizes
``rows``      f, its gradient and curvature on the training rows
"""
