"""Annotated pictures as tools write them, read into a `Dataset`: COCO, VIA, LabelMe, CVAT, folders of masks."""
