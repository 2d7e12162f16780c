"""Detections against objects, as COCO counts: records, matches, average precision and what errors cost."""
