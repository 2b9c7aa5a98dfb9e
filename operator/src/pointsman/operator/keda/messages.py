"""The messages of KEDA's external scaler protocol, described here rather than generated.

Source: keda.sh, "External Scalers", and KEDA's externalscaler.proto: names, numbers and types of
fields are the protocol. StreamMetricSpec is optional and left out: a target changes with an edit.
"""

from typing import Any, Final, NamedTuple

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

PACKAGE: Final = "externalscaler"
SERVICE: Final = f"{PACKAGE}.ExternalScaler"
_TYPES: Final = descriptor_pb2.FieldDescriptorProto


class _Field(NamedTuple):
    """`kind` is bool, double, int64 or string, or the name of a message of this package."""

    name: str
    number: int
    kind: str
    repeated: bool = False


_MESSAGES: Final[dict[str, tuple[_Field, ...]]] = {
    "ScaledObjectRef": (
        _Field("name", 1, "string"),
        _Field("namespace", 2, "string"),
        _Field("scalerMetadata", 3, "ScaledObjectRef.ScalerMetadataEntry", repeated=True),
    ),
    "IsActiveResponse": (_Field("result", 1, "bool"),),
    "GetMetricSpecResponse": (_Field("metricSpecs", 1, "MetricSpec", repeated=True),),
    "MetricSpec": (
        _Field("metricName", 1, "string"),
        _Field("targetSize", 2, "int64"),
        _Field("targetSizeFloat", 3, "double"),
    ),
    "GetMetricsRequest": (
        _Field("scaledObjectRef", 1, "ScaledObjectRef"),
        _Field("metricName", 2, "string"),
    ),
    "GetMetricsResponse": (_Field("metricValues", 1, "MetricValue", repeated=True),),
    "MetricValue": (
        _Field("metricName", 1, "string"),
        _Field("metricValue", 2, "int64"),
        _Field("metricValueFloat", 3, "double"),
    ),
}


def _add(message: Any, field: _Field) -> None:
    label = _TYPES.LABEL_REPEATED if field.repeated else _TYPES.LABEL_OPTIONAL
    added = message.field.add(name=field.name, number=field.number, label=label)
    scalar = getattr(_TYPES, f"TYPE_{field.kind.upper()}", None)
    if scalar is None:
        added.type, added.type_name = _TYPES.TYPE_MESSAGE, f".{PACKAGE}.{field.kind}"
    else:
        added.type = scalar


def _described() -> Any:
    file = descriptor_pb2.FileDescriptorProto(
        name="pointsman/externalscaler.proto", package=PACKAGE, syntax="proto3"
    )
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for field in fields:
            _add(message, field)
    (owner,) = (one for one in file.message_type if one.name == "ScaledObjectRef")
    entry = owner.nested_type.add(name="ScalerMetadataEntry")  # how a map is spelled on the wire
    entry.options.map_entry = True
    _add(entry, _Field("key", 1, "string"))
    _add(entry, _Field("value", 2, "string"))
    return file


_pool: Final = descriptor_pool.DescriptorPool()
_pool.Add(_described())


def _class(name: str) -> Any:
    return message_factory.GetMessageClass(_pool.FindMessageTypeByName(f"{PACKAGE}.{name}"))


ScaledObjectRef: Final = _class("ScaledObjectRef")
IsActiveResponse: Final = _class("IsActiveResponse")
GetMetricSpecResponse: Final = _class("GetMetricSpecResponse")
MetricSpec: Final = _class("MetricSpec")
GetMetricsRequest: Final = _class("GetMetricsRequest")
GetMetricsResponse: Final = _class("GetMetricsResponse")
MetricValue: Final = _class("MetricValue")
