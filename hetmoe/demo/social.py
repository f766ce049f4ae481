"""What a link to the page looks like where it is pasted: title, sentence and card. They must stand in the page as it is
served, for whoever makes such a preview runs no scripts; Gradio puts its own there, which give way to ours."""

import re
from html import escape

from gradio.route_utils import get_root_url
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hetmoe.project import PROJECT

CARD = PROJECT / "docs" / "card.png"  # 1200 × 630
TITLE = "HetMoE: four different experts, one answer"
SENTENCE = "A mixture of experts of different architectures, to play with: mute them, weigh them, see why."
GRADIOS_TAGS = re.compile(r'<meta\s+(?:property="og:|name="twitter:).*?/>\s*', re.DOTALL)


def with_card(html: str, address: str) -> str:
    """The page with our tags in place of Gradio's. A card's address must be whole, so the page's own is needed."""
    tags = {
        "og:type": "website",
        "og:url": address,
        "og:title": TITLE,
        "og:description": SENTENCE,
        "og:image": f"{address}gradio_api/file={CARD.as_posix()}",
        "og:image:width": "1200",
        "og:image:height": "630",
        "og:image:alt": "The page: a picture, who answers it, and the answer",
        "twitter:card": "summary_large_image",
    }
    ours = "".join(f'<meta property="{name}" content="{escape(content)}">' for name, content in tags.items())
    return GRADIOS_TAGS.sub("", html).replace("<head>", f"<head>{ours}", 1)


class SocialCard:
    """ASGI middleware: the page itself with its card, its address being the one that it was asked for by; everything
    else untouched."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        root = scope.get("root_path", "").rstrip("/") if scope["type"] == "http" else ""
        if scope["type"] != "http" or scope["path"] not in ("/", f"{root}/") or scope["method"] != "GET":
            return await self.app(scope, receive, send)
        start: Message = {}
        body = b""

        async def hold(message: Message) -> None:
            nonlocal start, body
            if message["type"] == "http.response.start":
                start = message
                return
            body += message.get("body", b"")
            if message.get("more_body", False):
                return
            address = get_root_url(Request(scope), "/", root)  # as a proxy in front has it
            body = with_card(body.decode(), f"{address}/").encode()
            MutableHeaders(scope=start)["content-length"] = str(len(body))
            await send(start)
            await send({"type": "http.response.body", "body": body})

        await self.app(scope, receive, hold)
