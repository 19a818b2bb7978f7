"""ranking: put candidates in order for one account.  [I/O]"""

from functools import lru_cache
from typing import Any

from edge.common.http_messages import HttpRequest, HttpResponse, Refusal, json_response
from edge.common.http_routes import Routes
from edge.common.process import Process
from services.chance import share
from services.frame import Frame, serve_routes
from services.graph import Graph
from services.ranking.model import DEFAULT_VARIANT, VARIANTS, VERSION, Candidate, rank

WORK_MS = 6.0
CANDIDATES_MAX = 200  # several windows of the feed
PAIRS_MAX = 8192  # remembered of viewers and authors, about 1 MB


async def serve(process: Process) -> None:
    """Rank until drained."""
    frame = Frame(process, work_ms=WORK_MS)
    routes = Routes()
    routes.add("POST", "/internal/rank/", Ranking(frame).rank)
    await serve_routes(frame, routes)


class Ranking:
    """The handler, and what the model knows of people."""

    def __init__(self, frame: Frame) -> None:
        self._frame = frame
        seed, graph = frame.seed, Graph(frame.seed, frame.accounts)

        # What is known of a pair never changes; asking again is what costs.
        @lru_cache(maxsize=PAIRS_MAX)
        def follows_back(author: int, account: int) -> bool:
            return graph.follows(author, account)

        @lru_cache(maxsize=PAIRS_MAX)
        def lingering(account: int, author: int) -> float:
            return share(seed, "lingering", account, author)

        self._follows_back = follows_back
        self._lingering = lingering

    async def rank(self, request: HttpRequest) -> HttpResponse:
        """`{"candidates": [[media id, author, age in s, likes], ...]}`, best first."""
        account = request.signed_in()
        fields = await request.fields()
        candidates = self._candidates(account, fields.get("candidates"))
        variant = request.variants.get("ranking", DEFAULT_VARIANT)
        if variant not in VARIANTS:
            variant = DEFAULT_VARIANT
        await self._frame.work(request)
        ranked = rank(candidates, VARIANTS[variant])
        request.attributes["edge.ranking.variant"] = variant
        request.attributes["edge.ranking.candidates"] = len(candidates)
        return json_response(
            {
                "model": f"{VERSION}/{variant}",
                "ranked": [
                    {
                        "id": one.media_id,
                        "score": round(one.score, 4),
                        "why": {
                            "recency": round(one.recency, 4),
                            "affinity": round(one.affinity, 4),
                            "popularity": round(one.popularity, 4),
                            "repeat": round(one.repeat, 4),
                        },
                    }
                    for one in ranked
                ],
            }
        )

    def _candidates(self, account: int, rows: Any) -> list[Candidate]:
        if not isinstance(rows, list) or len(rows) > CANDIDATES_MAX:
            raise Refusal(400, "bad-candidates", f"candidates is a list of at most {CANDIDATES_MAX}")
        follows_back, lingering = self._follows_back, self._lingering
        try:
            return [
                Candidate(
                    str(media_id),
                    int(author),
                    float(age_s),
                    int(likes),
                    lingering=lingering(account, int(author)),
                    follows_back=follows_back(int(author), account),
                )
                for media_id, author, age_s, likes in rows
            ]
        except (TypeError, ValueError) as error:
            raise Refusal(400, "bad-candidates", "a candidate is [id, author, age in s, likes]") from error
