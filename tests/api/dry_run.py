"""Creates on a real API server that are never stored, through one kept connection."""

import base64
import http.client
import json
import ssl
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

import yaml

from pointsman.api.names import PLURALS


class DryRun:
    """An admin's connection for `dryRun=All` creates with strict field validation."""

    def __init__(self, kubeconfig: Path, folder: Path) -> None:
        config = yaml.safe_load(kubeconfig.read_text())
        cluster = config["clusters"][0]["cluster"]
        user = config["users"][0]["user"]
        pair = folder / "admin.pem"
        pair.touch(mode=0o600)
        pair.write_bytes(
            base64.b64decode(user["client-certificate-data"])
            + base64.b64decode(user["client-key-data"])
        )
        authority = base64.b64decode(cluster["certificate-authority-data"]).decode()
        context = ssl.create_default_context(cadata=authority)
        context.load_cert_chain(pair)
        self._connection = http.client.HTTPSConnection(
            urlsplit(cluster["server"]).netloc, context=context, timeout=30
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def create(self, value: dict[str, Any]) -> str:
        """Why the API server refuses the object; empty if it takes it."""
        plural = (PLURALS | {"HorizontalPodAutoscaler": "horizontalpodautoscalers"})[value["kind"]]
        api, query = value["apiVersion"], "dryRun=All&fieldValidation=Strict"
        self._connection.request(
            "POST",
            f"/apis/{api}/namespaces/default/{plural}?{query}",
            body=json.dumps(value).encode(),
            headers={"Content-Type": "application/json"},
        )
        with self._connection.getresponse() as response:
            answer = json.loads(response.read())
        if response.status == 201:
            return ""
        assert response.status in (400, 422), answer
        return str(answer["message"])
