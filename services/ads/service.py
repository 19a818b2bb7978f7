"""ads: advertisements for one account.  [I/O]"""

import time

from edge.common.http_messages import HttpRequest, HttpResponse, json_response
from edge.common.http_routes import Routes
from edge.common.process import Process
from services.ads import auction
from services.frame import Frame, serve_routes

WORK_MS = 3.0
SLOTS = 2


async def serve(process: Process) -> None:
    """Sell attention until drained."""
    frame = Frame(process, work_ms=WORK_MS)

    async def ads(request: HttpRequest) -> HttpResponse:
        account = request.signed_in()
        await frame.work(request)
        won = auction.run(frame.seed, account, int(time.time()) // 3600, SLOTS)
        request.attributes["edge.ads"] = ", ".join(ad.advertiser for ad in won)
        return json_response(
            {
                "ads": [
                    {
                        "ad_id": ad.ad_id,
                        "title": ad.advertiser,
                        "price_micros": ad.price_micros,
                        "image_url": f"/media/{ad.ad_id}",
                    }
                    for ad in won
                ]
            }
        )

    routes = Routes()
    routes.add("GET", "/internal/ads/", ads)
    await serve_routes(frame, routes)
