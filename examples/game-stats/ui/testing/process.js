// Builds and runs the service as its image does, in folders and on ports of the test's own.

import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";

const root = join(import.meta.dirname, "..");

export async function build(t, environment) {
  const dist = await mkdtemp(join(tmpdir(), "game-stats-ui-"));
  t.after(() => rm(dist, { recursive: true }));
  const env = { PATH: process.env.PATH, ...environment };
  await promisify(execFile)(process.execPath, [join(root, "build.js"), dist], { env });
  return dist;
}

export async function serve(t, dist, environment = {}) {
  const env = { PATH: process.env.PATH, DIST: dist, PORT: "0", ...environment };
  const child = spawn(process.execPath, [join(root, "server.js")], { env, stdio: ["ignore", "pipe", "inherit"] });
  t.after(() => child.kill("SIGKILL"));
  const exited = once(child, "exit");
  const [line] = await once(createInterface(child.stdout), "line");
  const { port } = JSON.parse(line);
  return { address: `http://127.0.0.1:${port}`, child, exited };
}
