"""A catalogue as plain dictionaries: what every change of classes and items should come to, written down once more."""

from dataclasses import replace

import numpy as np

from nearclass import ClassSpec
from nearclass.schemas.records import MERGED_INTO, ClassState


class RefusedError(Exception):
    """The change is not allowed, and nothing happens."""


class PlainCatalogue:
    """Classes, their history, given vectors and items.

    Attributes:
        specs: Classes by id.
        revision: Of the classes.
        was: Classes by revision.
        commands: Revision and command of every change, newest first.
        vectors: Given vectors of classes.
        items: Vectors of items.
        confirmed: Confirmed classes of items.
        looked: Revision up to which stored items were answered anew.
    """

    def __init__(self):
        self.specs, self.vectors = {}, {}
        self.revision, self.was, self.commands = 0, {0: {}}, []
        self.items, self.confirmed, self.looked = {}, {}, 0

    # Reading

    def follow(self, class_id):
        while class_id in self.specs and self.specs[class_id].merged_into in self.specs:
            class_id = self.specs[class_id].merged_into
        return class_id

    def line(self, class_id, specs=None):
        """The class and those above it."""
        specs = self.specs if specs is None else specs
        found = [class_id]
        while (above := specs[found[-1]].parent_id) is not None:
            if above not in specs or above in found:
                raise RefusedError
            found.append(above)
        return found

    def live(self, class_id):
        return all(self.specs[one].state is ClassState.ACTIVE for one in self.line(class_id))

    def children(self, class_id):
        return [spec.id for spec in self.specs.values() if spec.parent_id == class_id]

    def assignable(self):
        active = {spec.parent_id for spec in self.specs.values() if spec.state is ClassState.ACTIVE}
        return {
            spec.id
            for spec in self.specs.values()
            if self.live(spec.id) and (spec.id not in active if spec.assignable is None else spec.assignable)
        }

    def nearest(self, vector):
        """The answerable class with the most similar given vector, and the cosine; None where there is none."""
        scores = {one: float(self.vectors[one] @ vector) for one in self.assignable() & self.vectors.keys()}
        return max(sorted(scores.items()), key=lambda pair: pair[1], default=None)

    # Changing

    def announce(self):
        self.revision += 1
        self.was[self.revision] = dict(self.specs)

    def change(self, specs, command, *, checked=False):
        """Add or replace classes, all of them or none."""
        after = self.specs | {spec.id: spec for spec in specs}
        if not checked:
            for spec in specs:
                if spec.merged_into is None and spec.id in self.specs and self.specs[spec.id].merged_into is not None:
                    raise RefusedError
            for class_id in after:
                self.line(class_id, after)
            places = [(one.parent_id, one.name.casefold()) for one in after.values() if one.state is ClassState.ACTIVE]
            if len(set(places)) < len(places):
                raise RefusedError
        if any(self.specs.get(spec.id) != spec for spec in specs):
            self.specs = after
            self.announce()
            self.commands.insert(0, (self.revision, command))

    def add(self, class_id, name, parent):
        self.change([ClassSpec(class_id, name, None if parent is None else self.follow(parent))], "add")

    def edit(self, class_id, command="edit", **values):
        self.change([replace(self.specs[self.follow(class_id)], **values)], command)

    def move(self, class_id, under):
        self.edit(class_id, "move", parent_id=None if under is None else self.follow(under))

    def set_state(self, class_id, state, command):
        if self.specs[class_id].state is state:
            raise RefusedError
        self.change([replace(self.specs[class_id], state=state)], command)

    def merge(self, class_ids, into, *, evidence):
        target = self.specs[self.follow(into)]
        sources = [self.specs[one] for one in dict.fromkeys(map(self.follow, class_ids))]
        if not self.live(target.id) or any(one.id in self.line(target.id) for one in sources):
            raise RefusedError
        changed = self.redirected({one.id: target.id for one in sources})
        if evidence:
            names = [*target.synonyms, *(name for one in sources for name in (one.name, *one.synonyms))]
            first = {name.casefold(): name for name in reversed(names)}
            keys = dict.fromkeys(name.casefold() for name in names)
            kept = tuple(first[key] for key in keys if key != target.name.casefold())
            changed.append(replace(target, synonyms=kept))
        self.change(changed, "merge")

    def redirected(self, leads):
        gone = [
            replace(self.specs[old], state=ClassState.RETIRED, attributes={MERGED_INTO: new})
            for old, new in leads.items()
        ]
        below = [(child, new) for old, new in leads.items() for child in self.children(old) if child not in leads]
        return gone + [
            replace(self.specs[child], parent_id=new) for child, new in below if self.specs[child].merged_into is None
        ]

    def split(self, class_id, parts, *, retire):
        spec = self.specs[self.follow(class_id)]
        parent = spec.parent_id if retire else spec.id
        whole = replace(spec, state=ClassState.RETIRED) if retire else replace(spec, assignable=None)
        self.change([*(ClassSpec(part, name, parent) for part, name in parts), whole], "split")

    def take(self, specs):
        """Classes of a file, with their vectors."""
        self.change([replace(spec, vector=None) for spec in specs], "import")
        for spec in specs:
            vector = np.asarray(spec.vector, np.float32)
            self.vectors[spec.id] = vector / np.linalg.norm(vector)
        self.announce()

    def take_version(self, old, new):
        """A file that has a class under another id, and the mapping that says so."""
        spec = self.specs[old]
        self.change([ClassSpec(new, spec.name, spec.parent_id), *self.redirected({old: new})], "import")

    def rollback(self, revision):
        then = self.was[revision]
        newer = [spec for spec in self.specs.values() if spec.id not in then and spec.state is ClassState.ACTIVE]
        changed = [spec for class_id, spec in then.items() if self.specs[class_id] != spec]
        retired = [replace(spec, state=ClassState.RETIRED) for spec in newer]
        self.change([*changed, *retired], f"rollback {revision}", checked=True)

    def ingest(self, items):
        for item_id, values in items.items():
            vector = np.asarray(values, np.float32)
            self.items[item_id] = vector / np.linalg.norm(vector)
