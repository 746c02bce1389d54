"""Removing an image, or one of its names, by Docker's rules."""

from collections.abc import Callable, Sequence

from pier.errors import Conflict, NotFound
from pier.images.deps import Images
from pier.images.image import Image
from pier.images.lookup import find, named_by_id
from pier.images.notify import publish
from pier.images.platforms import let_go, members
from pier.images.release import forget
from pier.oci.digest import Digest, short
from pier.oci.reference import Reference, parse_reference

InUse = Callable[[Digest], Sequence[tuple[str, bool]]]
"""The containers made from an image: their IDs, and whether each runs."""

Record = dict[str, str]
"""``{"Untagged": name}`` or ``{"Deleted": digest}``."""


async def remove(images: Images, name: str, *, force: bool, prune_children: bool, in_use: InUse) -> list[Record]:
    """Remove the name, and the image when that was its last; by ID, all its names and the image.

    Ancestors that have no name and no other child go too when ``prune_children``. Raises NotFound, and Conflict
    in Docker's words ("must be forced", "cannot be forced") where a container or a child image is in the way.
    """
    return await _Removal(images, force, prune_children, in_use).run(name)


async def remove_dangling(images: Images, image: Image, in_use: InUse) -> tuple[list[Record], int]:
    """Remove an image that is in nobody's way; what was done, and the bytes that it freed. For prune."""
    removal = _Removal(images, False, True, in_use)
    await removal.delete(image, quiet=True)
    return removal.records, removal.freed


def require_unused(images: Images, image: Image, in_use: InUse) -> None:
    """Raise Conflict where not even force would remove ``image``: for a running container, or a child image."""
    _Removal(images, True, True, in_use).check(image, referenced=False)


class _Removal:
    """One request's choices, and the records of what was done."""

    def __init__(self, images: Images, force: bool, prune: bool, in_use: InUse) -> None:
        self._images = images
        self._force = force
        self._prune = prune
        self._in_use = in_use
        self.records: list[Record] = []
        self.freed = 0

    async def run(self, name: str) -> list[Record]:
        image = find(self._images, name)
        if named_by_id(image.id, name):
            if _names_one_repository(self._images.store.references(image.id)):
                self.check(image, referenced=False)
                self._untag_all(image)
            await self.delete(image, quiet=False)
        elif self._remove_name(image, name):
            await self.delete(image, quiet=True)
        return self.records

    def _remove_name(self, image: Image, name: str) -> bool:
        """Remove one name, and returns whether that was the last."""
        references = self._images.store.references(image.id)
        if not self._force and _names_one_repository(references) and (users := self._in_use(image.id)):
            raise Conflict(
                f'conflict: unable to remove repository reference "{name}" (must force) - container '
                f"{users[0][0][:12]} is using its referenced image {short(image.id)}"
            )
        reference = parse_reference(name).with_default_tag()
        if reference.digest is not None:
            reference = reference.with_digest(reference.digest)
        if reference not in references:
            raise NotFound(f"No such image: {reference}")
        self._untag(image, reference)
        left = [other for other in references if other != reference]
        if reference.tag and not any(other.tag and other.name == reference.name for other in left):
            for other in [other for other in left if other.name == reference.name]:
                self._untag(image, other)
                left.remove(other)
        return not left

    def _untag(self, image: Image, reference: Reference) -> None:
        if reference.tag:
            let_go(self._images, self._images.store.get(image.id) or image, reference)
        self._images.store.untag(reference)
        self._tell(image, reference)

    def _tell(self, image: Image, untagged: Reference) -> None:
        publish(self._images, "untag", image.id)
        self.records.append({"Untagged": untagged.familiar})

    def _untag_all(self, image: Image) -> None:
        references = self._images.store.references(image.id)
        self._images.store.untag_all(image.id)
        left = self._images.store.get(image.id) or image
        for tag in {each.name: each for each in references if each.tag}.values():
            let_go(self._images, left, tag)
        for reference in references:
            self._tell(image, reference)

    async def delete(self, image: Image, *, quiet: bool) -> None:
        """Remove the image itself. ``quiet``: where something is in the way, leave it without a word."""
        try:
            self.check(image, referenced=True)
        except Conflict:
            current = self._images.store.get(image.id)
            if quiet and (self._in_use(image.id) or (current is not None and not current.dangling)):
                return
            if quiet and self._images.store.children(image.id):
                return
            raise
        beside = members(self._images, image)
        self._untag_all(image)
        layers = await forget(self._images, image)
        publish(self._images, "delete", image.id)
        self.records.append({"Deleted": image.id})
        self.records += [{"Deleted": layer.chain_id} for layer in layers]
        self.freed += sum(layer.size for layer in layers)
        parent = self._images.store.get(image.parent) if image.parent else None
        if self._prune and parent is not None and parent.dangling:
            await self._delete_too(parent)
        for other in beside:
            current = self._images.store.get(other.id)
            if current is not None and current.dangling:
                await self._delete_too(current)

    async def _delete_too(self, image: Image) -> None:
        gently = _Removal(self._images, False, self._prune, self._in_use)
        await gently.delete(image, quiet=True)
        self.records += gently.records
        self.freed += gently.freed

    def check(self, image: Image, *, referenced: bool) -> None:
        """Raise Conflict when something is in the way: hard conflicts always, soft ones unless forced."""
        users = self._in_use(image.id)
        if self._images.store.children(image.id):
            raise _conflict(image, "image has dependent child images", hard=True)
        for container_id, running in users:
            if running:
                raise _conflict(image, f"image is being used by running container {container_id[:12]}", hard=True)
        if self._force:
            return
        if referenced and self._images.store.references(image.id):
            raise _conflict(image, "image is referenced in multiple repositories", hard=False)
        if users:
            raise _conflict(image, f"image is being used by stopped container {users[0][0][:12]}", hard=False)


def _names_one_repository(references: Sequence[Reference]) -> bool:
    """At most one tag, and all references in one repository."""
    tags = [reference for reference in references if reference.tag]
    return len(tags) <= 1 and len({reference.name for reference in references}) <= 1


def _conflict(image: Image, reason: str, *, hard: bool) -> Conflict:
    how = "cannot be forced" if hard else "must be forced"
    return Conflict(f"conflict: unable to delete {short(image.id)} ({how}) - {reason}")
