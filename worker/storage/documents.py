"""JSON documents at rest: deflated under SQLite, by a dictionary of what they all have in common.

A small job's documents are mostly the names of their members: 90 techniques and settings that are
null, 25 metrics, the columns of a report. Each deflated by itself would still hold each name once.
"""

import zlib
from typing import Any

import orjson
from sqlalchemy import JSON, Dialect
from sqlalchemy.types import TypeDecorator, TypeEngine, UserDefinedType

LEAST_BYTES = 200
"""Shorter ones are left as they are, for whoever looks into the file."""
DICTIONARY = (
    b'"overrides":{"regularization.l1.strength":0.0,"regularization.dropout.p":0.'
    b'"r2":null,"rmse":null,"mae":null,"deviations":{"test_loss":0.,"test_accuracy":0.'
    b'[{"severity":"warning","code":"","field":"regularization.","column":null,"message":"'
    b'","evidence":{"rows":{},"strength":0.0,"optimizer":"adam"},"fix":"Put weight_decay with a '
    b'strength of 0.01 in its place.","change":{"regularization":{"l2":null,"weight_decay":{}}}},'
    b'{"severity":"info","code":"class_imbalance","field":"regularization.class_weights",'
    b'"column":null,"message":"Class \'0\' has rows and class \'1\' : always answering the first '
    b'is right in %.","evidence":{"rows":{"0":,"1":},"share":0.},"fix":"Set class_weights to {}: '
    b'all classes count alike then.","change":{"regularization":{"class_weights":{}}}}]'
    b'{"target":"class","task":"regression","task":"multiclass","classes":["0","1"],'
    b'"classes_count":2,"positive":"1","why":"","rows":{"used":1000,"left_out":{}},"features":2,'
    b'{"weights":2650,"zeros":0,"sparsity":0.0,"units":100,"dead_units":0,"layers":['
    b'{"name":"layers.0","layer":0,"weights":100,"zeros":0,"norm":3.,"largest":0.,"units":50,'
    b'"dead":0,"no_way_in":0,"no_way_out":0},{"name":"layers.1","layer":1,"weights":2500,"zeros":0,'
    b'"norm":2.,"largest":0.,"units":null,"dead":null,"no_way_in":null,"no_way_out":null}],'
    b'"features":{"columns":2,"columns_unused":0,"used":["x1","x2"],"unused":[],"inputs":2,'
    b'"inputs_unused":0,"unused_inputs":[]},"pruning":{"part":"validation","rows":200,"thresholds":'
    b"[0.0,0.0001,0.0003,0.001,0.003,0.01,0.03,0.1,0.3,1.0],"
    b'"sparsity":[0.0,0.1,1.0],"loss":[0.'
    b',"accuracy":[0.9,"balanced_accuracy":[0.9,0.5,0.5],"recall":[0.9,0.0,0.0],"rmse":null,'
    b'"r2":null},"curves":{"classes":["0","1"],"positive":"1","threshold":0.5,"parts":{"validation":'
    b'{"rows":200,"confusion":[[],"roc":{"fpr":[0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0056'
    b'0.909091,0.931818,0.954545,0.977273,1.0],"tpr":[0.0,0.0416667,0.0833333,0.125,0.166667,'
    b"0.208333,0.25,0.291667,0.333333,0.375,0.416667,0.458333,0.5,0.541667,0.583333,0.625,0.666667,"
    b"0.708333,0.75,0.791667,0.833333,0.875,0.916667,0.958333,1.0,1.0,1.0,1.0,1.0,1.0,1.0,1.0],"
    b'"threshold":[null,0.99,0.9],"pr":{"recall":[0.0416667,"precision":[1.0,1.0,1.0,1.0,1.0,1.0,'
    b'1.0,1.0,"calibration":{"probability":[0.0,"frequency":[0.0,0.0,0.0,0.0,0.5,1.0,1.0,1.0,1.0],'
    b'"rows":[151,6,3]}}}},"fitted":{"task":"binary","rows":800,"classes":2,"target_sd":null,'
    b'"mean_weight":1.0}}{"metrics":{"train_loss":0.,"train_accuracy":0.,"train_balanced_accuracy":'
    b'0.,"train_classes_predicted":2.0,"train_precision":0.,"train_recall":0.,"train_f1":0.,'
    b'"train_specificity":0.,"train_rmse":0.,"train_mae":0.,"train_r2":0.,"validation_rmse":0.,'
    b'"validation_mae":0.,"validation_r2":0.,"validation_loss":0.0,"validation_accuracy":0.9,'
    b'"validation_balanced_accuracy":0.9,"validation_classes_predicted":2.0,"validation_precision":'
    b'0.9,"validation_recall":0.9,"validation_f1":0.9,"validation_specificity":0.9,"gap":-0.0,'
    b'"penalty":0.0,"sparsity":0.0,"validation_auc":0.9,"validation_average_precision":0.9,'
    b'"validation_log_loss":0.,"validation_brier":0.,"validation_ece":0.0},"deviations":null,"n":1,'
    b'"single":{"trial":"trl_","metrics":{}},"trial":"trl_","name":"","value":0.,"refitted":false,'
    b'"chosen_by":"best","configuration":0,"objective":"validation_loss"}'
    b'{"trial":"trl_","settings":{"name":"default","configuration":0,"repeat":0,"fold":null,'
    b'"without":null,"refit":null,"network":{"kind":"mlp","hidden":[]},"estimate":{"deviations":'
    b'null,"n":1,"single":{"trial":"trl_'
    b'{"l1":{"strength":0.0001,"schedule":null,"biases":false,"layers":null,"method":'
    b'"subgradient"},"l2":{"strength":0.0001,"schedule":null,"biases":false,"layers":null},'
    b'"weight_decay":{"method":"decoupled"},"dropout":{"p":0.5,"input_p":0.0,"shape":"brick",'
    b'"schedule":null},"batch_norm":{"momentum":0.1,"epsilon":1e-5},"ema":{"decay":0.99,"warmup":'
    b'true},"early_stopping":{"patience":10,"metric":"validation_loss","min_delta":0.0,'
    b'"restore_best":true}},"search":{"space":{},"method":"random","trials":64,"min_epochs":'
    b'{"name":"","dataset":{"builtin":"circle","rows":1000,"seed":42},"target":null,"task":"auto",'
    b'"target_missing":"refuse","positive":null,"threshold":null,"columns":{},"decimal":null,'
    b'"thousands":null,"missing":null,"separator":null,"header":null,"encoding":null,"split":'
    b'{"validation":0.2,"test":0.0,"folds":null,"rows":null,"seed":0,"stratify":true},'
    b'"preprocessing":{"numeric":"standardize","target":"standardize"},"network":{"kind":"mlp",'
    b'"hidden":[50,50],"activation":"relu"},"regularization":{"l1":null,"l2":null,"elastic_net":'
    b'null,"group_lasso":null,"orthogonality":null,"weight_decay":null,"max_norm":null,"dropout":'
    b'null,"spatial_dropout":null,"alpha_dropout":null,"drop_connect":null,"stochastic_depth":null,'
    b'"shake_drop":null,"shake_shake":null,"batch_norm":null,"layer_norm":null,"noise":null,'
    b'"class_weights":null,"label_smoothing":null,"confidence_penalty":null,"jacobian":null,'
    b'"random_crop":null,"flip":null,"rotation":null,"color_jitter":null,"image_noise":null,'
    b'"erasing":null,"cutout":null,"mixup":null,"cutmix":null,"adversarial":null,"lookahead":null,'
    b'"ema":null,"swa":null,"snapshot_ensemble":null,"early_stopping":null},"training":{"epochs":'
    b'50,"batch_size":32,"optimizer":{"kind":"adam","learning_rate":0.001,"beta1":0.9,"beta2":'
    b'0.999,"epsilon":1e-8},"schedule":{"kind":"constant"},"precision":"float32","seed":0},'
    b'"compare":null,"search":null,"repeats":1,"refit":false,"attribute":false,"model":null,'
    b'"device":null,"priority":0}'
)
"""Never to be changed: what was deflated by it is read by it alone. Names that are not in it cost a
few bytes a document. Another one would need a mark of its own beside zlib's (Adler-32 of this)."""


def deflated(document: Any) -> bytes:
    """A document as zlib has it, by the dictionary (RFC 1950, FDICT)."""
    packer = zlib.compressobj(zdict=DICTIONARY)
    return packer.compress(orjson.dumps(document)) + packer.flush()


def inflated(packed: bytes) -> Any:
    """The document that was deflated; ``zlib.error`` where it was by another dictionary."""
    unpacker = zlib.decompressobj(zdict=DICTIONARY)
    return orjson.loads(unpacker.decompress(packed) + unpacker.flush())


class _AsItIs(UserDefinedType[Any]):
    """A column of SQLite declared JSON, which holds text or bytes."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        """As it has always been declared."""
        return "JSON"


class Document(TypeDecorator[Any]):
    """A column of JSON that nobody looks into by SQL.

    SQLite holds text, as earlier releases wrote all, or the bytes of :func:`deflated`. PostgreSQL
    holds JSON, which it compresses by itself, and which the release before reads beside this one.
    """

    impl = JSON
    cache_ok = True

    def __init__(self) -> None:
        super().__init__(none_as_null=True)

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Under SQLite the driver is given what it shall keep."""
        return _AsItIs() if dialect.name == "sqlite" else self.impl_instance

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        """Deflate it where that is of use."""
        if value is None or dialect.name != "sqlite":
            return value
        text = orjson.dumps(value)
        return text.decode() if len(text) < LEAST_BYTES else deflated(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        """Give back the document."""
        if value is None or dialect.name != "sqlite":
            return value
        return inflated(value) if isinstance(value, bytes) else orjson.loads(value)
