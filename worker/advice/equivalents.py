"""A trial's penalties as scikit-learn's and glmnet's parameters, computed from its data.

With a = Σ λ of |w|, q = Σ λ of w², n training rows, s the target's deviation, this trial minimizes
mean loss + a·‖w‖₁ + q·‖w‖². The squared error is without a half, and by default of a target that
is divided by u = s (u = 1 with `preprocessing.target: none`). In the target's own unit, halved:
‖y − Xw‖²/(2n) + (a·u/2)·‖w‖₁ + (q/2)·‖w‖². The others minimize

* `Lasso`, `ElasticNet`: ‖y − Xw‖²/(2n) + alpha·(r·‖w‖₁ + (1 − r)/2·‖w‖²),
* `Ridge`: ‖y − Xw‖² + alpha·‖w‖²,
* `LogisticRegression`: C·Σ loss + r·‖w‖₁ + (1 − r)/2·‖w‖²,
* `MLPRegressor`, `MLPClassifier`: ½·mean squared error, or mean loss, + alpha/(2B)·‖w‖² for a
  batch of B rows,
* `glmnet`: −(mean log-likelihood) + lambda·(r·‖w‖₁ + (1 − r)/2·‖w‖²); of a gaussian the target is
  divided by s first and lambda with it, so that its square counts lambda/s in the target's unit.

Sources: scikit-learn's user guide, sections 1.1 and 1.17; Friedman, Hastie & Tibshirani 2010,
J. Stat. Softw. 33(1), and glmnet's manual on comparing with other software.
"""

from dataclasses import dataclass
from typing import Any

from worker.regularization import Regularization
from worker.regularization.families import (
    Decay,
    EntryTechnique,
    Penalty,
    ProximalPenalty,
    WeightTechnique,
    is_proximal,
)
from worker.results import Equivalent, Fitted
from worker.schema import Json
from worker.spec import (
    AdamSpec,
    LinearSpec,
    MlpSpec,
    PoissonLoss,
    Preprocessing,
    SgdSpec,
    SolverSpec,
    SquaredLoss,
    Trial,
)

SQUARES_AND_KINKS = frozenset({"l1", "l2", "elastic_net", "weight_decay"})
"""Techniques that add |w| or w² to the objective."""
BESIDE = frozenset({"early_stopping", "class_weights"})
"""Techniques beside which the objective is theirs still."""
ACTIVATIONS = {"relu": "relu", "tanh": "tanh"}
"""Activations that scikit-learn has, by its names."""
MOST_SHOWN = 100
"""Class weights that are repeated; a comparison may have many configurations with many."""
NUMERIC = {
    "standardize": "numeric columns minus their mean, divided by their standard deviation with n "
    "in the denominator (StandardScaler)",
    "robust_smooth_clip": "numeric columns minus their median, divided by their interquartile "
    "range (half their range where that is 0), then z / √(1 + (z/3)²)",
    "robust": "numeric columns minus their median, divided by their interquartile range "
    "(RobustScaler)",
    "none": "numeric columns as they are",
}


@dataclass(frozen=True)
class _Objective:
    """mean loss + kink·‖w‖₁ + square·‖w‖²."""

    kink: float
    square: float


def equivalents(trial: Trial, preprocessing: Preprocessing, fitted: Fitted) -> list[Equivalent]:
    """The estimators with a trial's objective; none where no other library has it.

    Linear networks with `l1`, `l2` and `elastic_net`, and those without penalties that are least
    squares; multilayer perceptrons with squares alone. Nothing that acts on units, rows or labels
    may be beside them but class weights.
    """
    objective = _objective(trial)
    if objective is None or fitted.offset:
        return []
    if isinstance(trial.training.loss, PoissonLoss):
        return _poisson_regressions(objective, trial, preprocessing, fitted)
    if not isinstance(trial.training.loss, SquaredLoss | None):
        return []
    if isinstance(trial.network, LinearSpec):
        if fitted.task == "regression":
            return _linear_regressions(objective, trial, preprocessing, fitted)
        return _logistic_regressions(objective, trial, preprocessing, fitted)
    if isinstance(trial.network, MlpSpec):
        return _perceptrons(objective, trial, trial.network, preprocessing, fitted)
    return []


def _objective(trial: Trial) -> _Objective | None:
    kink = square = 0.0
    for name, technique in trial.regularization.techniques():
        if name in BESIDE:
            continue
        if name not in SQUARES_AND_KINKS or not isinstance(technique, EntryTechnique):
            return None
        if technique.strength == 0:
            continue
        layers = range(trial.network.depth + 1)
        everywhere = technique.layers is None or set(technique.layers) >= set(layers)
        if technique.biases or technique.schedule is not None or not everywhere:
            return None
        if isinstance(technique, ProximalPenalty) and technique.factors is not None:
            return None
        if not _has_this_optimum(technique, trial):
            return None
        shares = _shares(trial.regularization, name)
        kink, square = (
            kink + technique.strength * shares[0],
            square + technique.strength * shares[1],
        )
    return _Objective(kink, square)


def _has_this_optimum(technique: WeightTechnique, trial: Trial) -> bool:
    """Whether training comes to rest where loss and penalty balance.

    Beside Adam, which scales the loss's gradient, what is applied after its step does not.
    """
    if not isinstance(trial.training.optimizer, AdamSpec):
        return True
    if isinstance(technique, Decay):
        return technique.is_coupled()
    return not (isinstance(technique, Penalty) and is_proximal(technique))


def _shares(regularization: Regularization, name: str) -> tuple[float, float]:
    """How much of a technique's strength is the factor of |w|, and how much that of w²."""
    if name == "elastic_net" and regularization.elastic_net is not None:
        ratio = regularization.elastic_net.l1_ratio
        return ratio, 1 - ratio
    # A decay adds λw to the gradient: half of λ‖w‖².
    return {"l1": (1.0, 0.0), "l2": (0.0, 1.0), "weight_decay": (0.0, 0.5)}[name]


def _linear_regressions(
    objective: _Objective, trial: Trial, preprocessing: Preprocessing, fitted: Fitted
) -> list[Equivalent]:
    deviation = fitted.target_sd
    if deviation is None or deviation <= 0:
        return []
    unit = deviation if preprocessing.target == "standardize" else 1.0
    kink, square = objective.kink * unit / 2, objective.square
    if kink and square:
        alpha = kink + square
        estimator, parameters = "ElasticNet", {"alpha": alpha, "l1_ratio": kink / alpha}
    elif kink:
        estimator, parameters = "Lasso", {"alpha": kink}
    elif square:
        estimator, parameters = "Ridge", {"alpha": fitted.rows * square}
    else:
        estimator, parameters = "LinearRegression", {}
    parameters |= _fit_intercept(trial)
    features = _features(trial, preprocessing, fitted)
    own = "y in its own unit; so are the coefficients then, each for one unit of X."
    equivalents = [_scikit_learn(estimator, parameters, trial, [features, own])]
    whole = kink + square * deviation
    if whole > 0:
        equivalents.append(
            _glmnet(
                "gaussian",
                whole,
                kink / whole,
                trial,
                [
                    features,
                    f"{own} glmnet divides y by its standard deviation, {deviation:.6g}, and "
                    "lambda with it.",
                ],
            )
        )
    return equivalents


def _poisson_regressions(
    objective: _Objective, trial: Trial, preprocessing: Preprocessing, fitted: Fitted
) -> list[Equivalent]:
    """Half the deviance and half the square there; glmnet leaves out the deviance's factor 2."""
    if not isinstance(trial.network, LinearSpec):
        return []
    features = _features(trial, preprocessing, fitted)
    kink, square = objective.kink / 2, objective.square
    equivalents = []
    if not kink:
        parameters = {"alpha": square, **_fit_intercept(trial)}
        equivalents.append(_scikit_learn("PoissonRegressor", parameters, trial, [features]))
    if (whole := kink + square) > 0:
        equivalents.append(_glmnet("poisson", whole, kink / whole, trial, [features]))
    return equivalents


def _fit_intercept(trial: Trial) -> Json:
    has_none = isinstance(trial.network, LinearSpec) and not trial.network.intercept
    return {"fit_intercept": False} if has_none else {}


def _logistic_regressions(
    objective: _Objective, trial: Trial, preprocessing: Preprocessing, fitted: Fitted
) -> list[Equivalent]:
    kink, square = objective.kink, objective.square
    features = _features(trial, preprocessing, fitted)
    weighted = trial.regularization.class_weights
    equivalents = []
    # Of two classes a softmax has two opposite rows of weights, half as large as one logit's: the
    # same sum of sizes, half the sum of squares.
    single = square / 2 if fitted.task == "multiclass" and fitted.classes == 2 else square
    if (whole := kink + 2 * single) > 0:
        mean = fitted.mean_weight
        parameters: Json = {"C": 1 / (fitted.rows * mean * whole), "l1_ratio": kink / whole}
        parameters |= _fit_intercept(trial)
        if kink:
            parameters["solver"] = "saga"
        conditions = [features]
        if weighted is not None:
            if isinstance(weighted.weights, str) or len(weighted.weights) <= MOST_SHOWN:
                parameters["class_weight"] = weighted.weights
            else:
                conditions.append("class_weight: the weights as they were posted.")
            if mean != 1:
                conditions.append(
                    f"C is divided by the mean class weight of a row, {mean:.6g}: here weights are "
                    "divided by it."
                )
        equivalents.append(_scikit_learn("LogisticRegression", parameters, trial, conditions))
    if (whole := kink + 2 * square) > 0:
        family = "binomial" if fitted.task == "binary" else "multinomial"
        conditions = [features]
        if weighted is not None:
            conditions.append("weights: of each row, that of its class.")
        equivalents.append(_glmnet(family, whole, kink / whole, trial, conditions))
    return equivalents


def _perceptrons(
    objective: _Objective,
    trial: Trial,
    network: MlpSpec,
    preprocessing: Preprocessing,
    fitted: Fitted,
) -> list[Equivalent]:
    activation, optimizer = ACTIVATIONS.get(network.activation), trial.training.optimizer
    two_rows = fitted.task == "multiclass" and fitted.classes == 2
    weighted = trial.regularization.class_weights is not None
    if activation is None or objective.kink or not objective.square or two_rows or weighted:
        return []
    batch = min(trial.training.batch_size, fitted.rows)
    regression = fitted.task == "regression"
    parameters: Json = {
        "hidden_layer_sizes": list(network.hidden),
        "activation": activation,
        "alpha": objective.square * batch * (1 if regression else 2),
        "batch_size": batch,
        "max_iter": trial.training.epochs,
        **_optimizer(optimizer),
    }
    conditions = [
        _features(trial, preprocessing, fitted),
        f"alpha is divided by the rows of a batch there, which are {batch:,}; a last batch that is "
        "smaller is penalized more.",
        "The objective is the same; initial weights and their distribution are not.",
    ]
    if regression and preprocessing.target == "standardize":
        conditions.insert(
            1,
            f"y minus its mean, divided by its standard deviation, {fitted.target_sd or 1:.6g}.",
        )
    estimator = "MLPRegressor" if regression else "MLPClassifier"
    return [_scikit_learn(estimator, parameters, trial, conditions)]


def _optimizer(optimizer: Any) -> Json:
    if isinstance(optimizer, SgdSpec):
        return {
            "solver": "sgd",
            "learning_rate_init": optimizer.learning_rate,
            "momentum": optimizer.momentum,
            "nesterovs_momentum": optimizer.nesterov,
        }
    return {
        "solver": "adam",
        "learning_rate_init": optimizer.learning_rate,
        "beta_1": optimizer.beta1,
        "beta_2": optimizer.beta2,
        "epsilon": optimizer.epsilon,
    }


def _features(trial: Trial, preprocessing: Preprocessing, fitted: Fitted) -> str:
    fold = "" if trial.fold is None else f" of fold {trial.fold}"
    weights = " sample_weight: the rows' weights, divided by their mean over these rows."
    return (
        f"X: the {fitted.rows:,} training rows{fold} as this job encodes them: "
        f"{NUMERIC[preprocessing.numeric]}, one column of 0 and 1 for each category"
        f"{' but the first' if preprocessing.drop_first else ''}"
        f"{', standardized too' if preprocessing.dummies == 'standardize' else ''}."
        f"{weights if fitted.weighted else ''}"
    )


def _scikit_learn(
    estimator: str, parameters: Json, trial: Trial, conditions: list[str]
) -> Equivalent:
    if estimator in {"Lasso", "ElasticNet", "LogisticRegression"}:
        conditions = [*conditions, "To compare digits, lower tol (1e-10) and raise max_iter."]
    return _equivalent("scikit-learn", estimator, parameters, trial, conditions)


def _glmnet(
    family: str, strength: float, ratio: float, trial: Trial, conditions: list[str]
) -> Equivalent:
    parameters: Json = {
        "family": family,
        "alpha": ratio,
        "lambda": strength,
        "standardize": False,
        **({"intercept": False} if _fit_intercept(trial) else {}),
    }
    more = "standardize is off, for X is what is penalized here; to compare digits, lower thresh."
    return _equivalent("glmnet", "glmnet", parameters, trial, [*conditions, more])


def _equivalent(
    library: Any, estimator: str, parameters: Json, trial: Trial, conditions: list[str]
) -> Equivalent:
    optimizer, stopping = trial.training.optimizer, trial.regularization.early_stopping
    solved = isinstance(optimizer, SolverSpec)
    more = []
    if stopping is not None:
        more.append("early_stopping may end before the optimum, and regularizes by that.")
    elif not solved and isinstance(trial.network, LinearSpec):
        more.append(f"{optimizer.kind} comes near this optimum; the optimizer solver reaches it.")
    return Equivalent(
        library=library,
        estimator=estimator,
        parameters=parameters,
        exact=solved and stopping is None,
        conditions=[*conditions, *more],
    )
