// Serves the page until SIGTERM. Where the API is was decided when it was built: no variable changes it here.

import { once } from "node:events";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { createService } from "./lib/service.js";
import { readSettings } from "./lib/settings.js";

const log = (message, more = {}) => console.log(JSON.stringify({ time: new Date().toISOString(), message, ...more }));

try {
  const settings = readSettings(process.env);
  const { server, drain } = createService(process.env.DIST || join(import.meta.dirname, "dist"));
  const told = Promise.race([once(process, "SIGTERM"), once(process, "SIGINT")]);
  server.listen(settings.port);
  await once(server, "listening");
  log("serving", { port: server.address().port });
  await told;
  // Requests still come until the endpoints of the Service have followed.
  drain();
  await sleep(settings.drainSeconds * 1000);
  server.close();
  server.closeIdleConnections();
  await once(server, "close");
  log("drained");
} catch (error) {
  log("stopped", { error: error.message });
  process.exitCode = 1;
}
