"""Annotated pictures as tools write them, read into a `Dataset`: COCO, VIA, LabelMe, folders of masks."""
