import assert from "node:assert/strict";
import { request } from "node:http";
import { test } from "node:test";
import { build, serve } from "../testing/process.js";

const ARGUMENTS = { NEXT_PUBLIC_API_URL: "https://api.example.com", REVISION: "c0ffee" };

/** Sends a path as it stands; fetch would tidy it up first. */
function raw(address, path, method = "GET") {
  return new Promise((resolve, reject) => {
    const { port } = new URL(address);
    request({ port, host: "127.0.0.1", path, method }, (answer) => resolve(answer.resume()))
      .on("error", reject)
      .end();
  });
}

test("health names the revision that was built", async (t) => {
  const { address } = await serve(t, await build(t, ARGUMENTS));
  const answer = await fetch(`${address}/api/health`);
  assert.equal(answer.status, 200);
  assert.equal(answer.headers.get("cache-control"), "no-store");
  assert.deepEqual(await answer.json(), { status: "ok", version: "c0ffee" });
});

test("the page comes with its type, and unchanged files are not sent again", async (t) => {
  const { address } = await serve(t, await build(t, ARGUMENTS));
  const page = await fetch(address);
  assert.equal(page.headers.get("content-type"), "text/html;charset=utf-8");
  assert.match(await page.text(), /<h1>Best scores<\/h1>/);
  const again = await fetch(address, { headers: { "If-None-Match": page.headers.get("etag") } });
  assert.equal(again.status, 304);
});

test("nothing outside dist is served, and nothing is written", async (t) => {
  const { address } = await serve(t, await build(t, ARGUMENTS));
  for (const path of ["/nothing", "/../package.json", "/%2e%2e/package.json", "/..%2fpackage.json", "//%"]) {
    assert.equal((await raw(address, path)).statusCode, 404, path);
  }
  assert.equal((await raw(address, "/", "POST")).statusCode, 405);
});

test("after SIGTERM requests are still answered while health sends new ones elsewhere", async (t) => {
  const { address, child, exited } = await serve(t, await build(t, ARGUMENTS), { DRAIN_SECONDS: "1" });
  child.kill("SIGTERM");
  let health = await fetch(`${address}/api/health`);
  while (health.status === 200) {
    health = await fetch(`${address}/api/health`);
  }
  assert.equal(health.status, 503);
  assert.equal((await health.json()).status, "draining");
  const page = await fetch(address);
  assert.equal(page.status, 200);
  assert.equal(page.headers.get("connection"), "close");
  await page.text();
  assert.deepEqual(await exited, [0, null]);
});
