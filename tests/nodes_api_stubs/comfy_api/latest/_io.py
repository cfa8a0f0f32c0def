"""Sockets, widgets, schemas and the node base class."""

from dataclasses import dataclass, field
from enum import Enum


class Input:
    """One input socket; ``options()`` is what the page is told of it."""

    io_type = "*"

    def __init__(
        self,
        id,
        display_name=None,
        optional=False,
        tooltip=None,
        lazy=None,
        extra_dict=None,
        raw_link=None,
        advanced=None,
    ):
        self.id = id
        self.display_name = display_name
        self.optional = optional
        self.tooltip = tooltip
        self.advanced = advanced

    def get_io_type(self):
        return self.io_type


class WidgetInput(Input):
    def __init__(self, id, default=None, **kwargs):
        super().__init__(id, **kwargs)
        self.default = default


class Output:
    io_type = "*"

    def __init__(self, id=None, display_name=None, tooltip=None, is_output_list=False):
        self.id = id
        self.display_name = display_name or id
        self.tooltip = tooltip
        self.is_output_list = is_output_list

    def get_io_type(self):
        return self.io_type


class ComfyTypeIO:
    """A socket type: ``Type.Input(...)`` and ``Type.Output(...)``."""

    io_type = "*"


def _socket(name, input_base=Input, output_base=Output):
    kind = type(name, (ComfyTypeIO,), {"io_type": name})
    kind.Input = type("Input", (input_base,), {"io_type": name, "__init__": input_base.__init__})
    kind.Output = type("Output", (output_base,), {"io_type": name, "__init__": output_base.__init__})
    return kind


def Custom(io_type):
    return _socket(io_type)


class _Number(WidgetInput):
    def __init__(
        self,
        id,
        display_name=None,
        optional=False,
        tooltip=None,
        lazy=None,
        default=None,
        min=None,
        max=None,
        step=None,
        display_mode=None,
        advanced=None,
    ):
        super().__init__(
            id,
            default,
            display_name=display_name,
            optional=optional,
            tooltip=tooltip,
            lazy=lazy,
            advanced=advanced,
        )
        self.min = min
        self.max = max
        self.step = step


class _Int(_Number):
    def __init__(
        self,
        id,
        display_name=None,
        optional=False,
        tooltip=None,
        lazy=None,
        default=None,
        min=None,
        max=None,
        step=None,
        control_after_generate=None,
        display_mode=None,
        advanced=None,
    ):
        super().__init__(
            id, display_name, optional, tooltip, lazy, default, min, max, step, display_mode, advanced
        )
        self.control_after_generate = control_after_generate


class _Combo(WidgetInput):
    def __init__(
        self,
        id,
        options=None,
        display_name=None,
        optional=False,
        tooltip=None,
        lazy=None,
        default=None,
        advanced=None,
    ):
        super().__init__(
            id,
            default,
            display_name=display_name,
            optional=optional,
            tooltip=tooltip,
            lazy=lazy,
            advanced=advanced,
        )
        self.options = options


class _Color(WidgetInput):
    def __init__(
        self,
        id,
        display_name=None,
        optional=False,
        tooltip=None,
        socketless=True,
        advanced=None,
        default="#ffffff",
    ):
        super().__init__(
            id, default, display_name=display_name, optional=optional, tooltip=tooltip, advanced=advanced
        )


class _String(WidgetInput):
    def __init__(
        self,
        id,
        display_name=None,
        optional=False,
        tooltip=None,
        lazy=None,
        multiline=False,
        placeholder=None,
        default=None,
        dynamic_prompts=None,
        socketless=None,
        force_input=None,
        extra_dict=None,
        raw_link=None,
        advanced=None,
    ):
        super().__init__(
            id,
            default,
            display_name=display_name,
            optional=optional,
            tooltip=tooltip,
            lazy=lazy,
            advanced=advanced,
        )
        self.multiline = multiline
        if force_input:
            del self.default  # A socket, and no widget.


class _Boolean(WidgetInput):
    def __init__(
        self,
        id,
        display_name=None,
        optional=False,
        tooltip=None,
        lazy=None,
        default=None,
        label_on=None,
        label_off=None,
        socketless=None,
        force_input=None,
        extra_dict=None,
        raw_link=None,
        advanced=None,
    ):
        super().__init__(
            id,
            default,
            display_name=display_name,
            optional=optional,
            tooltip=tooltip,
            lazy=lazy,
            advanced=advanced,
        )


Image = _socket("IMAGE")
Mask = _socket("MASK")
Video = _socket("VIDEO")
Int = _socket("INT", _Int)
Float = _socket("FLOAT", _Number)
Combo = _socket("COMBO", _Combo)
Boolean = _socket("BOOLEAN", _Boolean)
Color = _socket("COLOR", _Color)
String = _socket("STRING", _String)


class MultiType:
    class Input(Input):
        """A socket that takes any of several types."""

        def __init__(
            self,
            id,
            types,
            display_name=None,
            optional=False,
            tooltip=None,
            lazy=None,
            extra_dict=None,
            raw_link=None,
            advanced=None,
        ):
            super().__init__(id, display_name, optional, tooltip, lazy, extra_dict, raw_link, advanced)
            self._types = types

        def get_io_type(self):
            return ",".join(kind.io_type for kind in self._types)


class Autogrow:
    """Sockets that grow as they are used; their values come as one dict by name."""

    class TemplatePrefix:
        def __init__(self, input, prefix, min=1, max=10):
            self.input, self.prefix, self.min, self.max = input, prefix, min, max

    class Input(Input):
        io_type = "COMFY_AUTOGROW_V3"

        def __init__(
            self,
            id,
            template,
            display_name=None,
            optional=False,
            tooltip=None,
            lazy=None,
            extra_dict=None,
        ):
            super().__init__(id, display_name, optional, tooltip, lazy, extra_dict)
            self.template = template


class NumberDisplay:
    slider = "slider"


class Hidden(str, Enum):
    unique_id = "UNIQUE_ID"
    prompt = "PROMPT"


class HiddenHolder:
    """What a node finds in ``cls.hidden``; ComfyUI fills it for each run."""

    def __init__(self, unique_id, prompt):
        self.unique_id, self.prompt = unique_id, prompt


@dataclass
class Schema:
    node_id: str
    display_name: str = None
    category: str = "sd"
    inputs: list = field(default_factory=list)
    outputs: list = field(default_factory=list)
    description: str = ""
    search_aliases: list = field(default_factory=list)
    is_output_node: bool = False
    is_experimental: bool = False
    essentials_category: str | None = None
    hidden: list = field(default_factory=list)

    def validate(self):
        for kind, sockets in (("Input", self.inputs), ("Output", self.outputs)):
            ids = [socket.id for socket in sockets]
            if len(set(ids)) != len(ids):
                raise ValueError(f"{kind} ids must be unique, got {ids}")


class ComfyNode:
    hidden: HiddenHolder | None = None

    @classmethod
    def define_schema(cls):
        raise NotImplementedError

    @classmethod
    def execute(cls, **kwargs):
        raise NotImplementedError

    @classmethod
    def fingerprint_inputs(cls, **kwargs):
        raise NotImplementedError

    @classmethod
    def GET_SCHEMA(cls):
        schema = cls.define_schema()
        for index, output in enumerate(schema.outputs):
            if output.id is None:
                output.id = f"_{index}_{output.io_type}_"
        schema.validate()
        return schema


class NodeReplace:
    """What takes the place of a node that is gone."""

    def __init__(
        self, new_node_id, old_node_id, old_widget_ids=None, input_mapping=None, output_mapping=None
    ):
        self.new_node_id, self.old_node_id = new_node_id, old_node_id
        self.old_widget_ids = old_widget_ids
        self.input_mapping, self.output_mapping = input_mapping, output_mapping


class NodeOutput:
    def __init__(self, *args, ui=None, expand=None, block_execution=None):
        self.args = args
        self.ui = ui

    @property
    def result(self):
        return self.args or None

    def __getitem__(self, index):
        return self.args[index]
