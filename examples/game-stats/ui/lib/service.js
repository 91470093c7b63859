// Answers the service's HTTP requests: the built files, and the health of this process.

import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import sirv from "sirv";

/** Returns an HTTP server, not listening yet, and `drain`, after which health says that no requests are wanted. */
export function createService(dist) {
  const { version } = JSON.parse(readFileSync(join(dist, "version.json"), "utf8"));
  const files = sirv(dist, {
    etag: true,
    // Names do not change with content here: browsers have to ask whether a file is still the newest.
    setHeaders: (response) => response.setHeader("Cache-Control", "no-cache"),
  });
  let draining = false;

  const server = createServer((request, response) => {
    response.setHeader("X-Content-Type-Options", "nosniff");
    if (draining) {
      // Each kept-alive connection ends with its next answer; closing idle ones would fail a request on its way.
      response.setHeader("Connection", "close");
    }
    // Not by URL: a path that is none, like `//%`, would throw.
    const [pathname] = request.url.split("?", 1);
    if (!["GET", "HEAD"].includes(request.method)) {
      response.setHeader("Allow", "GET, HEAD");
      return answer(response, 405, { error: "only GET and HEAD" });
    }
    if (pathname === "/api/health") {
      return answer(response, draining ? 503 : 200, { status: draining ? "draining" : "ok", version });
    }
    files(request, response, () => answer(response, 404, { error: "not found" }));
  });
  return {
    server,
    drain: () => {
      draining = true;
    },
  };
}

function answer(response, code, body) {
  response.writeHead(code, { "Content-Type": "application/json", "Cache-Control": "no-store" });
  response.end(`${JSON.stringify(body)}\n`);
}
