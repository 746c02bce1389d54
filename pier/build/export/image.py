"""Into the image store."""

from collections.abc import Sequence

from pier.build.deps import Build
from pier.build.export.made import Made
from pier.build.export.steps import Step
from pier.images.deps import Images
from pier.images.image import Image
from pier.images.platforms import keep_together, let_go
from pier.images.register import register
from pier.images.tag import tag_id
from pier.oci.platform import host_platform, runnable
from pier.oci.reference import Reference


async def to_store(build: Build, made: Sequence[Made], names: Sequence[Reference], shown: Step) -> list[Image]:
    """Record the images and give them their names, which mean the one for this host's platform."""
    images: list[Image] = []
    for each in made:
        images.append(await register(build.deps.images, each.config))
        shown.note(f"writing image {each.id}")
    main = images[best(made)]
    for name in names:
        with shown.part(f"naming to {name.canonical}"):
            _name(build.deps.images, main, name.with_default_tag())
    if len(made) > 1:
        keep_together(build.deps.images, images, main.id, [name.with_default_tag() for name in names])
    return images


def _name(images: Images, image: Image, name: Reference) -> None:
    """Give the image the name; what had it before has it no more, nor what stood beside that."""
    before = images.store.resolve(name)
    old = images.store.get(before) if before else None
    tag_id(images, image.id, name)
    for each in (old, image):
        if each is not None:
            let_go(images, each, name)


def best(made: Sequence[Made]) -> int:
    """Which of them this host runs best; the first where it runs none."""
    for platform in runnable(host_platform()):
        for index, each in enumerate(made):
            if platform.matches(each.platform):
                return index
    return 0
