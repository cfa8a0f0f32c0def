"""The wrapper by which ComfyUI's memory manager owns a model."""


class ModelPatcher:
    def __init__(self, model, load_device, offload_device, size=0, weight_inplace_update=False):
        self.model = model
        self.load_device = load_device
        self.offload_device = offload_device
        self.size = size

    def is_dynamic(self):
        return False

    def model_size(self):
        return sum(tensor.nbytes for tensor in self.model.state_dict().values())


# ComfyUI binds this name to another class at its start, depending on the machine.
CoreModelPatcher = ModelPatcher
