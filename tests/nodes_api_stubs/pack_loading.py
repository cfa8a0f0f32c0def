"""What ComfyUI does with a pack at its start."""

import asyncio


def load_nodes(pack):
    """Return the node classes of a pack's extension, after its ``on_load``."""

    async def load():
        extension = await pack.comfy_entrypoint()
        await extension.on_load()
        return await extension.get_node_list()

    return asyncio.run(load())
