"""The machinery: it is given lists of what exists, and knows no business."""
