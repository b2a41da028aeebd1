"""An issuer for demonstrations in containers: it hands a token to whoever asks. Never beside real data."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta

import jwt
import uvicorn
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from fastapi import FastAPI

from infra.settings import Settings

KEY_ID = "demonstration"
VALID_FOR = timedelta(hours=12)


def create_issuer(settings: Settings) -> FastAPI:
    """GET /jwks.json, and POST /token?subject=employee-…"""
    key = Ed25519PrivateKey.generate()
    public = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    app = FastAPI(title="Demonstration issuer", docs_url=None, redoc_url=None)

    @app.get("/jwks.json")
    async def keys() -> dict[str, list[dict[str, str]]]:
        x = base64.urlsafe_b64encode(public).decode().rstrip("=")
        return {"keys": [{"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": KEY_ID, "x": x}]}

    @app.post("/token")
    async def token(subject: str) -> dict[str, str]:
        now = datetime.now(UTC)
        claims = {"iss": settings.issuer, "aud": settings.audience, "sub": subject, "iat": now, "exp": now + VALID_FOR}
        return {"token": jwt.encode(claims, key, algorithm="EdDSA", headers={"kid": KEY_ID}), "subject": subject}

    return app


def run(settings: Settings, port: int = 8080) -> None:
    """Serve it until told to stop."""
    uvicorn.run(create_issuer(settings), host=settings.host, port=port, access_log=False, log_level="warning")
