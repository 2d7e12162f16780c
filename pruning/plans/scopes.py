"""Where channels compete with one another."""

from pruning.graph.groups import Group

SCOPES = ("layer", "part", "global", "isomorphic", "uniform")


def competing(groups: list[Group], scope: str) -> list[list[Group]]:
    """Groups that compete, together.

    Args:
        groups: prunable groups.
        scope: "layer" or "uniform", each group alone; "part", those of each part of the model; "isomorphic", those
            of equal structure: Fang et al., "Isomorphic Pruning for Vision Models", ECCV 2024, rank only
            sub-structures whose layers and connections are the same, whatever their widths, because importance does not
            compare between others; "global", all.
    """
    if scope == "global":
        return [groups]
    found: dict[object, list[Group]] = {}
    for group in groups:
        key: object = {"part": group.part, "isomorphic": structure(group)}.get(scope, group.name)
        found.setdefault(key, []).append(group)
    return list(found.values())


def structure(group: Group) -> tuple:
    """What two groups have in common that are equal but for their widths: types and roles of members, in order."""
    return tuple((type(member.layer), member.role, len(member.parts)) for member in group.members)
