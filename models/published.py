"""The checkpoints that the systems' authors published: where they are, what they should be, their terms.

Digests and sizes are those that the projects, hub pages or mirrors state; ``note`` says where one is in
doubt. A digest or size that nobody states is None: it is recorded when the file is first fetched.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Published:
    """One published file.

    ``name``: what users call it here. ``file``: its published name. ``addresses``: of the file itself, to
    be tried in order; empty where it can only be fetched by hand from ``page``. ``size`` in bytes, exact
    where ``exact_size``, else as rounded at the source. ``layout``: what the file holds. ``part_of``:
    for a companion that is no colorizer by itself. ``local_name``: what it is kept as, where the
    published name would clash. ``inside``: for an archive, the path in it of the file to load.
    """

    name: str
    system: str
    title: str
    file: str
    addresses: tuple[str, ...]
    code_licence: str
    weights_licence: str
    layout: str
    sha256: str | None = None
    size: int | None = None
    exact_size: bool = False
    page: str | None = None
    non_commercial: bool = False
    part_of: str | None = None
    saved_as: str | None = None
    inside: str | None = None
    note: str = ""

    @property
    def local_name(self) -> str:
        """The file's name in a folder of checkpoints."""
        return self.saved_as or self.file

    @property
    def file_names(self) -> frozenset[str]:
        """What it may be called in a folder of checkpoints: as kept here, or out of an archive."""
        return frozenset({self.local_name, *([self.inside.rpartition("/")[2]] if self.inside else [])})

    @property
    def fetchable(self) -> bool:
        """Whether a program can fetch it: some files are only behind a page made for people."""
        return bool(self.addresses)


_MIB = 2**20
_MB = 10**6
_STATE_DICT = "state dict"
_MODEL_AND_OPT = "{model, opt} or state dict, legacy pickle"
_HUB = "https://huggingface.co/piddnad"
_DEOLDIFY_HUB = "https://huggingface.co/spensercai/DeOldify"
_TUTORIAL = "https://huggingface.co/spaces/PushkarA07/image-colorizer"
_DROPBOX = "https://www.dropbox.com/s"
_DRIVE = "https://drive.google.com"
_WITH_CODE = "distributed with the code, under its licence"
_UNSTATED = "not stated"

#: Every published file known, system by system.
PUBLISHED: tuple[Published, ...] = (
    Published(
        name="eccv16",
        system="eccv16",
        title="Zhang 2016",
        file="colorization_release_v2-9b330a0b.pth",
        addresses=("https://colorizers.s3.us-east-2.amazonaws.com/colorization_release_v2-9b330a0b.pth",),
        sha256="9b330a0bae53f4ded77b1e23defbf78beaa09c10ebc4c4999e8e4f4a160b93f9",
        size=round(123.0 * _MIB),
        layout=_STATE_DICT,
        code_licence="BSD-2-Clause",
        weights_licence="BSD-2-Clause (with the code)",
        note="digest from a mirror; it agrees with the one in the file's name",
    ),
    Published(
        name="siggraph17",
        system="siggraph17",
        title="Zhang 2017",
        file="siggraph17-df00044c.pth",
        addresses=("https://colorizers.s3.us-east-2.amazonaws.com/siggraph17-df00044c.pth",),
        sha256="df00044c0a4d7c3edcecf6f75437ce346a66e7a42612d9b968e1a7e17dbc6f66",
        size=round(130.5 * _MIB),
        layout=_STATE_DICT,
        code_licence="BSD-2-Clause",
        weights_licence="BSD-2-Clause (with the code)",
        note="digest from a mirror; it agrees with the one in the file's name",
    ),
    Published(
        name="siggraph17-pytorch",
        system="siggraph17",
        title="Zhang 2017, training repository",
        file="pytorch.pth",
        addresses=("http://colorization.eecs.berkeley.edu/siggraph/models/pytorch.pth",),
        layout=_STATE_DICT,
        code_licence="MIT",
        weights_licence=_UNSTATED,
        saved_as="siggraph17_pytorch.pth",
        note="expects the hint mask minus 0.5; layout unverified",
    ),
    Published(
        name="siggraph17-caffe",
        system="siggraph17",
        title="Zhang 2017, converted from Caffe",
        file="caffemodel.pth",
        addresses=("http://colorization.eecs.berkeley.edu/siggraph/models/caffemodel.pth",),
        layout=_STATE_DICT,
        code_licence="MIT",
        weights_licence=_UNSTATED,
        saved_as="siggraph17_caffemodel.pth",
        note="expects the hint mask minus 0.5; layout unverified",
    ),
    Published(
        name="gan-places365",
        system="gan_places365",
        title="Nazeri 2018, Places365",
        file="CGAN_places365.index",
        addresses=(),
        page=f"{_DRIVE}/open?id=1jTsAUAKrMiHO2gn7s-fFZ_zUSzgKoPyp",
        layout="TensorFlow V2 bundle with Adam slots",
        code_licence="Apache-2.0",
        weights_licence=_UNSTATED,
        note="with CGAN_places365.data-00000-of-00001 beside it; an older Keras form (HDF5) is at "
        "https://bit.ly/2JRLgyw",
    ),
    Published(
        name="gan-cifar10",
        system="gan_cifar10",
        title="Nazeri 2018, CIFAR-10",
        file="CGAN_cifar10.index",
        addresses=(),
        page=f"{_DRIVE}/open?id=1jTsAUAKrMiHO2gn7s-fFZ_zUSzgKoPyp",
        layout="TensorFlow V2 bundle with Adam slots",
        code_licence="Apache-2.0",
        weights_licence=_UNSTATED,
        note="with CGAN_cifar10.data-00000-of-00001 beside it",
    ),
    Published(
        name="gan-tutorial",
        system="gan_unet",
        title="pix2pix tutorial",
        file="final_model_weights.pt",
        addresses=(),
        page=f"{_DRIVE}/file/d/1lR6DcS4m5InSbZ5y59zkH2mHt_4RQ2KV",
        layout=_STATE_DICT,
        code_licence="MIT",
        weights_licence=_UNSTATED,
        note="which of the tutorial's two generators it holds is unverified: its tensors will tell",
    ),
    Published(
        name="gan-res18",
        system="gan_res18",
        title="pix2pix tutorial, ResNet-18",
        file="main-model.pt",
        addresses=(f"{_TUTORIAL}/resolve/main/main-model.pt",),
        page=_TUTORIAL,
        sha256="9117325fed27284a7e1fcd27b01ad3d6840ec6f14fe792c1004e8329eca264ea",
        size=135587239,
        exact_size=True,
        layout="state dict of generator and discriminator",
        code_licence=_UNSTATED,
        weights_licence=_UNSTATED,
        note="a third party's copy or retraining; the size fits the ResNet-18 generator",
    ),
    Published(
        name="gan-res18-unet",
        system="gan_res18_generator",
        title="pix2pix tutorial, ResNet-18, generator only",
        file="res18-unet.pt",
        addresses=(f"{_TUTORIAL}/resolve/main/res18-unet.pt",),
        page=_TUTORIAL,
        sha256="245439ac4c6bacd91752800f98a425922fb4fc73fd107a3772ae6dab0e2ea3ca",
        size=124507223,
        exact_size=True,
        layout="state dict of the generator",
        code_licence=_UNSTATED,
        weights_licence=_UNSTATED,
        note="a third party's copy or retraining",
    ),
    Published(
        name="he2018",
        system="he2018",
        title="He 2018",
        file="example_net.pth",
        addresses=(f"{_DROPBOX}/rg6qi5iz3sj7cnc/example_net.pth?dl=1",),
        page=f"{_DROPBOX}/rg6qi5iz3sj7cnc/example_net.pth?dl=0",
        size=136 * _MB,
        layout=_STATE_DICT,
        code_licence="MIT",
        weights_licence=_WITH_CODE,
        note="layout unverified; an older link has the id ebtuwj7doteelia",
    ),
    Published(
        name="he2018-vgg",
        system="he2018",
        title="He 2018, grey VGG19 for the similarity",
        file="vgg19_bn_gray_ft_iter_150000.caffemodel",
        addresses=(f"{_DROPBOX}/liz78q1lf9bc57s/vgg19_bn_gray_ft_iter_150000.caffemodel?dl=1",),
        page=f"{_DROPBOX}/liz78q1lf9bc57s/vgg19_bn_gray_ft_iter_150000.caffemodel?dl=0",
        layout="Caffe protobuf",
        code_licence="MIT",
        weights_licence=_WITH_CODE,
        part_of="he2018",
        note="an older link has the id mnsxsfv5non3e81",
    ),
    Published(
        name="exemplar-video",
        system="exemplar_video",
        title="Zhang 2019",
        file="colorization_checkpoint.zip",
        addresses=(
            "https://github.com/zhangmozhe/Deep-Exemplar-based-Video-Colorization/releases/download/"
            "v1.0/colorization_checkpoint.zip",
        ),
        layout="zip of state dicts: data/vgg19_conv.pth, checkpoints/video_moredata_l1/"
        "{nonlocal_net,colornet,discriminator}_iter_76000.pth, data/vgg19_gray.pth",
        code_licence="MIT",
        weights_licence="MIT",
        inside="checkpoints/video_moredata_l1/colornet_iter_76000.pth",
        note="vgg19_gray and discriminator are not needed",
    ),
    Published(
        name="exemplar-video-vgg",
        system="exemplar_video",
        title="Zhang 2019, its VGG19",
        file="vgg19_conv.pth",
        addresses=("https://github.com/yyang181/colormnet/releases/download/v0.1/vgg19_conv.pth",),
        size=80 * _MB,
        layout=_STATE_DICT,
        code_licence="CC BY-NC-SA 4.0 (of the repository that hosts this copy)",
        weights_licence="VGG: CC BY 4.0 (unverified)",
        non_commercial=True,
        part_of="exemplar-video",
        note="address from a third party, unverified; flagged as its host's terms are, the archive "
        "exemplar-video has the same file under MIT",
    ),
    Published(
        name="vgg19-caffe",
        system="vgg19",
        title="VGG19, Caffe weights",
        file="vgg19-d01eb7cb.pth",
        addresses=("https://s3-us-west-2.amazonaws.com/jcjohns-models/vgg19-d01eb7cb.pth",),
        size=575 * _MB,
        layout=_STATE_DICT,
        code_licence=_UNSTATED,
        weights_licence="CC BY 4.0 (unverified)",
        part_of="exemplar-video",
        note="digest begins d01eb7cb by its name; likely the source of vgg19_conv.pth, unverified",
    ),
    Published(
        name="vgg19-torchvision",
        system="vgg19",
        title="VGG19, torchvision",
        file="vgg19-dcbb9e9d.pth",
        addresses=("https://download.pytorch.org/models/vgg19-dcbb9e9d.pth",),
        size=574673361,
        exact_size=True,
        layout=_STATE_DICT,
        code_licence="BSD-3-Clause",
        weights_licence="BSD-3-Clause (unverified)",
        part_of="training",
        note="digest begins dcbb9e9d by its name; for training losses",
    ),
    Published(
        name="color2embed",
        system="color2embed",
        title="Color2Embed",
        file="045000.pt",
        addresses=(),
        page=f"{_DRIVE}/file/d/15qgn3aSzviBE4tW6PaCx4c_syiKMBVir",
        layout="{colorEncoder, colorUNet, g_optim, args}",
        code_licence="MIT",
        weights_licence=_WITH_CODE,
        note="args is an argparse.Namespace; the VGG's classifier is included",
    ),
    Published(
        name="ddcolor-modelscope",
        system="ddcolor_large",
        title="DDColor",
        file="ddcolor_modelscope.pth",
        addresses=(f"{_HUB}/DDColor-models/resolve/main/ddcolor_modelscope.pth",),
        page=f"{_HUB}/DDColor-models",
        sha256="17c460d7e55b32a598370621d77173be59e03c24b0823f06821db23a50c263ce",
        size=912 * _MB,
        layout="{params}",
        code_licence="Apache-2.0",
        weights_licence="Apache-2.0",
    ),
    Published(
        name="ddcolor-artistic",
        system="ddcolor_large",
        title="DDColor artistic",
        file="ddcolor_artistic.pth",
        addresses=(f"{_HUB}/DDColor-models/resolve/main/ddcolor_artistic.pth",),
        page=f"{_HUB}/DDColor-models",
        sha256="a591ee5beedad36de703d8977e92d0c30c1eedc6453fd1b300f3b460842a23a9",
        size=911950059,
        exact_size=True,
        layout="{params}",
        code_licence="Apache-2.0",
        weights_licence="Apache-2.0",
    ),
    Published(
        name="ddcolor-tiny",
        system="ddcolor_tiny",
        title="DDColor tiny",
        file="ddcolor_paper_tiny.pth",
        addresses=(f"{_HUB}/DDColor-models/resolve/main/ddcolor_paper_tiny.pth",),
        page=f"{_HUB}/DDColor-models",
        sha256="81dd643904f4664c3718513e3320ae3db0c567f0d3e18398606659adee7bfc17",
        size=220 * _MB,
        layout="{params}",
        code_licence="Apache-2.0",
        weights_licence="Apache-2.0",
    ),
    Published(
        name="ddcolor-paper",
        system="ddcolor_large",
        title="DDColor, paper",
        file="ddcolor_paper.pth",
        addresses=(f"{_HUB}/DDColor-models/resolve/main/ddcolor_paper.pth",),
        page=f"{_HUB}/DDColor-models",
        size=912 * _MB,
        layout="{params}",
        code_licence="Apache-2.0",
        weights_licence="Apache-2.0",
    ),
    Published(
        name="ddcolor-paper-hub",
        system="ddcolor_large",
        title="DDColor, paper, hub layout",
        file="pytorch_model.bin",
        addresses=(f"{_HUB}/ddcolor_paper/resolve/main/pytorch_model.bin",),
        page=f"{_HUB}/ddcolor_paper",
        sha256="5c77db8292398a2ec1397003f0a90266c28e97b013515d5e9a32e73a4c54a67d",
        size=912 * _MB,
        layout=_STATE_DICT,
        code_licence="Apache-2.0",
        weights_licence="Apache-2.0",
        saved_as="ddcolor_paper_hub.bin",
    ),
    Published(
        name="ddcolor-tiny-hub",
        system="ddcolor_tiny",
        title="DDColor tiny, hub layout",
        file="pytorch_model.bin",
        addresses=(f"{_HUB}/ddcolor_paper_tiny/resolve/main/pytorch_model.bin",),
        page=f"{_HUB}/ddcolor_paper_tiny",
        sha256="8a1277bc90a1bfbb6d2d83933a9a6bc821931879ca93e26e4fcec12165d41fce",
        size=220 * _MB,
        layout=_STATE_DICT,
        code_licence="Apache-2.0",
        weights_licence="Apache-2.0",
        saved_as="ddcolor_paper_tiny_hub.bin",
    ),
    Published(
        name="ddcolor-modelscope-hub",
        system="ddcolor_large",
        title="DDColor, hub layout",
        file="pytorch_model.bin",
        addresses=(f"{_HUB}/ddcolor_modelscope/resolve/main/pytorch_model.bin",),
        page=f"{_HUB}/ddcolor_modelscope",
        layout=_STATE_DICT,
        code_licence="Apache-2.0",
        weights_licence="Apache-2.0",
        saved_as="ddcolor_modelscope_hub.bin",
    ),
    Published(
        name="ddcolor-artistic-hub",
        system="ddcolor_large",
        title="DDColor artistic, hub layout",
        file="pytorch_model.bin",
        addresses=(f"{_HUB}/ddcolor_artistic/resolve/main/pytorch_model.bin",),
        page=f"{_HUB}/ddcolor_artistic",
        layout=_STATE_DICT,
        code_licence="Apache-2.0",
        weights_licence="Apache-2.0",
        saved_as="ddcolor_artistic_hub.bin",
    ),
    Published(
        name="ddcolor-damo",
        system="ddcolor_large",
        title="DDColor, ModelScope hub",
        file="pytorch_model.pt",
        addresses=(),
        page="https://modelscope.cn/models/damo/cv_ddcolor_image-colorization",
        size=912 * _MB,
        layout="{params} (unverified)",
        code_licence="Apache-2.0",
        weights_licence="Apache-2.0",
        saved_as="ddcolor_damo.pt",
    ),
    Published(
        name="deoldify-artistic",
        system="deoldify_artistic",
        title="DeOldify Artistic",
        file="ColorizeArtistic_gen.pth",
        addresses=(
            "https://data.deepai.org/deoldify/ColorizeArtistic_gen.pth",
            f"{_DEOLDIFY_HUB}/resolve/main/ColorizeArtistic_gen.pth",
        ),
        page=_DEOLDIFY_HUB,
        sha256="3f750246fa220529323b85a8905f9b49c0e5d427099185334d048fb5b5e22477",
        size=255144681,
        exact_size=True,
        layout=_MODEL_AND_OPT,
        code_licence="MIT",
        weights_licence="MIT",
        note="the pickle names slice",
    ),
    Published(
        name="deoldify-video",
        system="deoldify_stable",
        title="DeOldify Video",
        file="ColorizeVideo_gen.pth",
        addresses=(
            "https://data.deepai.org/deoldify/ColorizeVideo_gen.pth",
            f"{_DEOLDIFY_HUB}/resolve/main/ColorizeVideo_gen.pth",
        ),
        page=_DEOLDIFY_HUB,
        sha256="e3d98bb6a222354c79f95485c2f078a89dc724e9183662506d9e0f5aafac83ad",
        size=874066230,
        exact_size=True,
        layout=_MODEL_AND_OPT,
        code_licence="MIT",
        weights_licence="MIT",
        note="the pickle names slice",
    ),
    Published(
        name="deoldify-stable",
        system="deoldify_stable",
        title="DeOldify Stable",
        file="ColorizeStable_gen.pth",
        addresses=(
            f"{_DEOLDIFY_HUB}/resolve/main/ColorizeStable_gen.pth",
            f"{_DROPBOX}/axsd2g85uyixaho/ColorizeStable_gen.pth?dl=1",
        ),
        page=_DEOLDIFY_HUB,
        sha256="ca9cd7f43fb8b222c9a70f7b292e305a000694b0ff9d2ae4a6747b1a2e1ee5af",
        size=874 * _MB,
        layout=_MODEL_AND_OPT,
        code_licence="MIT",
        weights_licence="MIT",
        note="same architecture as deoldify-video; the pickle names slice",
    ),
    Published(
        name="colormnet",
        system="colormnet",
        title="ColorMNet",
        file="DINOv2FeatureV6_LocalAtten_s2_154000.pth",
        addresses=(
            "https://github.com/yyang181/colormnet/releases/download/v0.1/"
            "DINOv2FeatureV6_LocalAtten_s2_154000.pth",
        ),
        sha256="eaf6301d1a088c0d7133008079a83b5fac1fc0f791061b2cf1b657602013457a",
        size=494884817,
        exact_size=True,
        layout=_STATE_DICT,
        code_licence="CC BY-NC-SA 4.0",
        weights_licence="CC BY-NC-SA 4.0",
        non_commercial=True,
        note="digest of a mirror, unverified against the original",
    ),
)


def get_published(name: str) -> Published:
    """Return the entry of that name; raises KeyError that lists the names there are."""
    for entry in PUBLISHED:
        if entry.name == name:
            return entry
    raise KeyError(f"no published checkpoint named {name}; there are: {', '.join(e.name for e in PUBLISHED)}")
