"""Many files embedded by many processes: shards to parts, anywhere and in any order; parts to the store, in order.

A shard is a source file. Whoever has time takes the next shard and makes a part of it: a file with everything that is
stored of its items, vectors and answers included, and a manifest, which is written last. The driver brings parts to the
store in the order of the shards, so that a later row of an id wins as it does in the plain way.
"""
