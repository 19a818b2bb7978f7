"""ranking: put candidates in order for one account.  [I/O]"""

from typing import Any

from edge.common.http_messages import HttpRequest, HttpResponse, Refusal, json_response
from edge.common.http_routes import Routes
from edge.common.process import Process
from services.chance import share
from services.frame import Frame, serve_routes
from services.graph import Graph
from services.ranking.model import DEFAULT_VARIANT, VARIANTS, VERSION, Candidate, rank

WORK_MS = 6.0
CANDIDATES_MAX = 200  # the pass over them is quadratic


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
        self._graph = Graph(frame.seed, frame.accounts)

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
        fans = set(self._graph.followers(account))
        try:
            return [
                Candidate(
                    str(media_id),
                    int(author),
                    float(age_s),
                    int(likes),
                    lingering=share(self._frame.seed, "lingering", account, int(author)),
                    follows_back=author in fans,
                )
                for media_id, author, age_s, likes in rows
            ]
        except (TypeError, ValueError) as error:
            raise Refusal(400, "bad-candidates", "a candidate is [id, author, age in s, likes]") from error
