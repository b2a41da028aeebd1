"""Small files of the types that are kept, and of some that are not."""

from __future__ import annotations

import zipfile
from hashlib import sha256
from io import BytesIO

PDF = b"%PDF-1.7\n1 0 obj\n<< /Type /Catalog >>\nendobj\n%%EOF\n"
PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"
PROGRAM = b"MZ\x90\x00" + bytes(200)


def packed(*names: str) -> bytes:
    """A ZIP archive with empty files of these names."""
    file = BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name in names:
            archive.writestr(name, "<x/>")
    return file.getvalue()


DOCX = packed("[Content_Types].xml", "_rels/.rels", "word/document.xml")
ARCHIVE = packed("invoice.exe", "readme.txt")


def hash_of(data: bytes) -> str:
    """The name under which a file is kept."""
    return f"sha256:{sha256(data).hexdigest()}"
